// State that several views show. They hear of every change, and then look at it.

export class Observable extends EventTarget {
  /**
   * Change some of its properties, and tell everybody.
   * @param {object} change
   */
  update(change) {
    Object.assign(this, change);
    this.changed();
  }

  /** Tell everybody that something has changed. */
  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Call `view` now and after every change, at most once a frame.
   * @param {() => void} view
   */
  show(view) {
    let waits = false;
    this.addEventListener("change", () => {
      if (waits) return;
      waits = true;
      requestAnimationFrame(() => {
        waits = false;
        view();
      });
    });
    view();
  }
}
