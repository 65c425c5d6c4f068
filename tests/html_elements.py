"""Read the elements and the text of a page, without a browser."""

import html.parser


class Elements(html.parser.HTMLParser):
    """All elements with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, key):
        return [attributes[key] for _, attributes in self.found if key in attributes]
