"""Where a page of a list ends, and where the next one begins."""

from imageflow_domain.page import Page, cut


def test_a_page_that_is_not_the_last_names_its_last_item() -> None:
    assert cut((1, 2, 3), 2, str) == Page(items=(1, 2), next="2")


def test_the_last_page_names_nothing_whether_it_is_full_or_not() -> None:
    assert cut((1, 2), 2, str) == Page(items=(1, 2), next=None)
    assert cut((1,), 2, str) == Page(items=(1,), next=None)
    assert cut((), 2, str) == Page(items=(), next=None)


def test_what_is_made_of_each_item_keeps_the_place_where_the_next_page_begins() -> None:
    assert cut(("a", "b", "c"), 2, str).each(str.upper) == Page(items=("A", "B"), next="b")
