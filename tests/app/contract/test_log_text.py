import logging
import threading

from app.contract.log_text import Formatter, log_thread


def failing() -> None:
    raise ValueError("Quibble")


def test_an_exception_is_logged_without_its_message(caplog):
    try:
        failing()
    except ValueError:
        logging.getLogger("app").exception("it failed")
    text = Formatter().format(caplog.records[0])
    assert "it failed" in text
    assert "ValueError at " in text
    assert "test_log_text.py:" in text
    assert "Quibble" not in text


def test_an_exception_that_ends_a_thread_is_logged_without_its_message(caplog, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", log_thread)
    thread = threading.Thread(target=failing)
    thread.start()
    thread.join()
    assert "a thread ended: ValueError at " in caplog.text
    assert "Quibble" not in caplog.text
