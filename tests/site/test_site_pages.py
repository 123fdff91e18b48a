def test_first_page(open_page):
    visit = open_page("book/preface.html")
    assert "tinykd" in visit.page.title()
    assert not visit.faults
