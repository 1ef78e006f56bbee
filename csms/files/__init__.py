"""Files of any size: kept on disk, served in parts, received over FTP."""
