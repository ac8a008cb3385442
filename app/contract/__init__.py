"""The HTTP contract: the types of every answer, errors as problem documents, and how JSON is written."""
