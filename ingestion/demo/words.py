"""Word lists that people, places and their contact data are put together from.

Telephone patterns keep to ranges that the regulators reserve for fiction where there is one, and to
555 or 000 numbers elsewhere. A `#` stands for one digit.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """How names, addresses and numbers look in one country; names pair text and ASCII."""

    code: str
    country: str
    weight: int
    given: tuple[tuple[str, str], ...]
    family: tuple[tuple[str, str], ...]
    cities: tuple[str, ...]
    streets: tuple[str, ...]
    postcode: str
    phones: tuple[str, ...]
    family_first: bool = False


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """`Zoë=zoe Ann` as pairs of display text and ASCII spelling."""
    parts = (word.partition("=") for word in text.split())
    return tuple((shown, plain or shown.lower()) for shown, _, plain in parts)


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


REGIONS: tuple[Region, ...] = (
    Region(
        "DE",
        "Germany",
        20,
        _pairs("Anneliese Jürgen=juergen Käthe=kaethe Torsten Saskia Björn=bjoern Lutz Mareike"),
        _pairs("Müllerstedt=muellerstedt Großhans=grosshans Köhlerich=koehlerich Weissbrod"),
        _list("Berlin, Köln, München, Leipzig, Hamburg, Nürnberg"),
        _list("Lindenallee, Bahnhofstraße, Am Mühlenteich, Rosenweg, Kirchgasse"),
        "#####",
        ("030 23125 ###", "+49 30 23125 ###", "0049 30 23125###", "0171 39200##"),
    ),
    Region(
        "US",
        "United States",
        18,
        _pairs("Darlene Wendell Shanice Brody Tamika Clayton Marisol Dewey Lorraine"),
        _pairs("Hollowgate Tremblewood Oakmore Pendersley Winterbourne Castlevane"),
        _list("Portland, Austin, Boston, Chicago, Denver"),
        _list("Maple Avenue, Juniper Court, Old Mill Road, Sycamore Street, Ridge Lane"),
        "#####",
        (
            "+1 312 555 01##",
            "(415) 555-01##",
            "503-555-01##",
            "617.555.01##",
            "+1-212-555-01##",
            "+131255501##",
        ),
    ),
    Region(
        "GB",
        "United Kingdom",
        14,
        _pairs("Imogen Alistair Bronwen Rhys Philippa Euan Siân=sian Nigel"),
        _pairs("Ashcombe-Vale=ashcombevale O'Harrow=oharrow Thistlewick Pembrose Llewellin"),
        _list("London, Leeds, Cardiff, Bristol, Glasgow"),
        _list("Church Lane, Victoria Terrace, The Green, Station Road, Abbey Close"),
        "LS# #QX",
        (
            "020 7946 0###",
            "+44 20 7946 0###",
            "(020) 7946 0###",
            "07700 900###",
            "+44 7700 900###",
        ),
    ),
    Region(
        "FR",
        "France",
        12,
        _pairs("Zoé=zoe Étienne=etienne Maëlle=maelle Loïc=loic Hélène=helene François=francois"),
        _pairs("Beaurivage Lefèvreau=lefevreau Châtelin=chatelin Noëlland=noelland"),
        _list("Lyon, Paris, Nantes, Besançon, Orléans"),
        _list("rue des Lilas, avenue du Général, place de l'Église, chemin Vert"),
        "#####",
        ("01 99 00 ## ##", "+33 1 99 00 ## ##", "06 39 98 ## ##", "+33 6 39 98 ## ##"),
    ),
    Region(
        "NL",
        "Netherlands",
        8,
        _pairs("Sanne Joost Femke Daan Marijke Thijs"),
        _pairs("Waterhoek Zonneveldt Brouwersma Duinstra Vliethout"),
        _list("Utrecht, Rotterdam, Groningen, Den Haag"),
        _list("Dorpsstraat, Molenweg, Prinsengracht, Kerklaan"),
        "#### XB",
        ("+31 20 555 0###", "020-5550###"),
    ),
    Region(
        "ES",
        "Spain",
        7,
        _pairs("Begoña=begona Joaquín=joaquin Inés=ines Álvaro=alvaro Rocío=rocio"),
        _pairs("Castañeda-Ruiz=castaneda Montalbán=montalban Peñarroya=penarroya Villacampo"),
        _list("Sevilla, Málaga, A Coruña, Zaragoza"),
        _list("calle Mayor, avenida del Mar, plaza Nueva, paseo Marítimo"),
        "#####",
        ("+34 910 000 0##", "910 00 00 ##"),
    ),
    Region(
        "PL",
        "Poland",
        6,
        _pairs("Łucja=lucja Bogusław=boguslaw Żaneta=zaneta Wojciech Jadwiga"),
        _pairs("Gąsiorek=gasiorek Wiśniakowicz=wisniakowicz Brzęczyn=brzeczyn Sokólski=sokolski"),
        _list("Kraków, Łódź, Gdańsk, Poznań"),
        _list("ulica Długa, ulica Polna, aleja Lipowa"),
        "##-###",
        ("+48 22 555 0# ##", "22 555 0# ##"),
    ),
    Region(
        "SE",
        "Sweden",
        5,
        _pairs("Åsa=asa Björnulf=bjornulf Ingalill Örjan=orjan"),
        _pairs("Sjögrund=sjogrund Åkerlid=akerlid Norrbäck=norrback"),
        _list("Göteborg, Malmö, Umeå"),
        _list("Storgatan, Björkvägen, Ängsstigen"),
        "### ##",
        ("08-465 004 ##", "+46 8 465 004 ##"),
    ),
    Region(
        "JP",
        "Japan",
        4,
        _pairs("陽菜=hina 蓮=ren さくら=sakura 大翔=hiroto"),
        _pairs("山野辺=yamanobe 小鳥遊=takanashi 月見里=yamanashi"),
        _list("東京, 大阪, 札幌"),
        _list("桜通り, 本町, 緑が丘"),
        "###-####",
        ("03-0000-0###", "+81 3 0000 0###"),
        family_first=True,
    ),
    Region(
        "CN",
        "China",
        3,
        _pairs("晓梅=xiaomei 志强=zhiqiang 雨桐=yutong"),
        _pairs("欧阳=ouyang 司徒=situ 诸葛=zhuge"),
        _list("上海, 北京, 成都"),
        _list("和平路, 人民大道, 花园街"),
        "######",
        ("+86 10 5550 0###",),
        family_first=True,
    ),
    Region(
        "EG",
        "Egypt",
        3,
        _pairs("ليلى=layla يوسف=youssef نور=nour"),
        _pairs("المصراوي=elmasrawy البنهاوي=elbanhawy"),
        _list("القاهرة, الإسكندرية"),
        _list("شارع النيل, شارع الورد"),
        "#####",
        ("+20 2 5550 0###",),
    ),
    Region(
        "IL",
        "Israel",
        2,
        _pairs("נועה=noa איתן=eitan תמר=tamar"),
        _pairs("הרגלילי=hargalili בןאור=benor"),
        _list("תל אביב, חיפה"),
        _list("רחוב הגפן, רחוב הזית"),
        "#######",
        ("+972 3 555 0###",),
    ),
)

DOMAINS = ("example.com", "example.com", "example.org", "example.net")
WAREHOUSES = ("Leipzig", "Rotterdam", "Lyon", "Portland")
AGENTS = ("Robin Marsh", "Sam Okafor-Lindt", "Kim Valter", "Alex Dunmore", "Jo Perrin")
