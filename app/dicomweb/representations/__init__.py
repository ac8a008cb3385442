"""What instances are sent as, other than as they are stored: pictures of a size, pages, XML, compressed pixels."""
