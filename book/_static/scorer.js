/* The order of what a search finds: lessons first; the reference and the article's errors last. The other numbers are Sphinx's. */
var Scorer = {
  score: ([page, , , , score]) => score + (page.startsWith("notebooks/") ? 10 : /^book\/(api|errata|map)/.test(page) ? -20 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
