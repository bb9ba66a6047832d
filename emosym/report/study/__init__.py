"""What a study of several runs looks like: one table in Markdown, CSV, JSON, LaTeX and HTML."""
