"""The studio: a page that runs every task of a model and shows each pass. Its server's side is here, the browser's in page/."""
