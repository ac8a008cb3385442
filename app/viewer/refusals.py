"""What people see who open an address in a browser and are refused: the login form, or a page with the sentence.

Programs get a problem document. A browser says by `Accept` that it wants a page; scripts of a page don't.
"""

from http import HTTPStatus
from urllib.parse import urlencode

from flask import Flask, Response, request

from app.http.keys import HEADERS as WITH_KEY
from app.http.responses import PROBLEM_TYPE
from app.viewer.pages import page

# DICOMweb has its own rules for `Accept`, by which a page is a form of an object.
DICOMWEB = "/dicom-web/"
XHTML = "application/xhtml+xml"


def register(app: Flask) -> None:
    """Show problems of `app` to people as pages. Must be registered before what logs requests, to come after it."""

    def show(response: Response) -> Response:
        if response.mimetype != PROBLEM_TYPE or not _is_for_a_person():
            return response
        if response.status_code == HTTPStatus.UNAUTHORIZED and not any(name in request.headers for name in WITH_KEY):
            wanted = request.full_path if request.query_string else request.path
            response.status_code = HTTPStatus.SEE_OTHER
            response.headers["Location"] = f"/login?{urlencode({'next': wanted})}"
            shown = Response(mimetype="text/html")
        else:
            problem = response.get_json()
            shown = page("problem.html", title=problem["title"], detail=problem["detail"])
        response.set_data(shown.get_data())
        response.headers.update(shown.headers)
        return response

    app.after_request(show)


def _is_for_a_person() -> bool:
    """Whether a browser wants to show the answer in place of its page. All of them ask for XHTML then, too."""
    accepted = request.accept_mimetypes
    wants_page = accepted["text/html"] > accepted[PROBLEM_TYPE] and XHTML in accepted.values()
    return request.method == "GET" and wants_page and not request.path.startswith(DICOMWEB)
