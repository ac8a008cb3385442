"""The ways to build an exam classifier, behind one interface (`classifier`). `registry` lists them."""
