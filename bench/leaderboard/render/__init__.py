"""Tables as markdown, a page, pictures and on the console."""
