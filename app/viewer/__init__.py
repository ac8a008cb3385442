"""The clinician's pages: the worklist, and a page for each study. They load their data from `/v1`, like any client."""
