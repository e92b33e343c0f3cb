class Größenfehler(Exception):
    pass


class Каталог:
    class ОшибкаПоиска(LookupError):
        pass


def suche(größe):
    try:
        raise Каталог.ОшибкаПоиска("не найдено: ключ «α»")
    except LookupError as fehler:
        raise Größenfehler(f"{größe} passt nicht") from fehler


suche(42)
