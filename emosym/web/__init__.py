"""The page in the browser: a tab for each thing that people do with a system. Needs the extra ``web``."""
