"""The store on the disk, without the database: folders that processes share, instances as files, reserved space."""
