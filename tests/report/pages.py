"""Runs to report on, and pages as a browser's parser sees them."""

from html.parser import HTMLParser

from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.report.page import write_report

HOSTILE_NAME = '"><img src=x onerror=alert(1)>.png'
HOSTILE_CAPTION = "<script>document.title='stolen'</script><b>bold</b> \u202etxet\x1b[31m"


class Parsed(HTMLParser):
    """The page as a browser's parser sees it: every element with its attributes, and the text."""

    def __init__(self, html):
        """Parse a page."""
        super().__init__(convert_charrefs=True)
        self.html = html
        self.elements = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        """Note text."""
        self.text += data

    def all(self, tag, **wanted):
        """Attributes of the elements of that name whose attributes have these words."""
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and all(word in (attributes.get(key) or "").split() for key, word in wanted.items())
        ]


def report_of(run):
    """Write the report of a run and parse it."""
    write_report(run)
    with open(run.report, encoding="utf-8") as file:  # noqa: PTH123  a run is a path or URL
        return Parsed(file.read())


def curated(source, output, rules=None, **settings):
    """A run over a folder with header scores only."""
    recipe = Recipe(
        scores=["header"], rules={"small": "least(width, height) < 64"} if rules is None else rules, **settings
    )
    return curate([str(source)], str(output), recipe, workers=0).run
