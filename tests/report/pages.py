"""Runs to report on, and pages as a browser's parser sees them."""

import json
from html.parser import HTMLParser

from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.report.page import write_report

HOSTILE_NAME = '"><img src=x onerror=alert(1)>.png'
HOSTILE_CAPTION = "</script><script>document.title='stolen'</script><!--<b>bold</b> \u202etxet\x1b[31m"


class Parsed(HTMLParser):
    """The page as a browser's parser sees it: every element with its attributes, the text, and the data."""

    def __init__(self, html):
        """Parse a page."""
        super().__init__(convert_charrefs=True)
        self.html = html
        self.elements = []
        self.text = ""
        self.scripts = []
        self.styles = []
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        {"script": self.scripts, "style": self.styles}.get(tag, []).append("")

    def handle_endtag(self, tag):
        """What follows a script or a style is text again."""
        self._inside = ""

    def handle_data(self, data):
        """Note text, and what scripts and styles hold apart from it."""
        if self._inside in {"script", "style"}:
            {"script": self.scripts, "style": self.styles}[self._inside][-1] += data
        else:
            self.text += data

    @property
    def data(self):
        """What the page hands to its script."""
        return json.loads(self.scripts[0])

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


def figures_of(page, *verdicts):
    """Figures of a gathered page by id, of all images or of those with some verdicts."""
    groups = {at for at, group in enumerate(page.groups) if not verdicts or group.verdict in verdicts}
    rows = {
        int(position): int(group) for position, group in zip(page.sample.positions, page.sample.groups, strict=True)
    }
    return {one.image_id: one for position, one in page.figures.items() if rows[position] in groups}


def curated(source, output, rules=None, **settings):
    """A run over a folder with header scores only."""
    recipe = Recipe(
        **{
            "scores": ["header"],
            "rules": {"small": "least(width, height) < 64"} if rules is None else rules,
            **settings,
        }
    )
    return curate([str(source)], str(output), recipe, workers=0).run
