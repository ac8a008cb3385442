"""Routes: the ways to build an exam classifier, with one interface (`classifier`). `registry` lists them."""
