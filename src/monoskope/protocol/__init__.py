"""What both ends of an upload share. It can neither seal nor open."""
