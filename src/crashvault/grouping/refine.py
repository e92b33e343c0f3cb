"""What algorithm v2 adds to the templates of v1: hosts of any country, names of people, bare interfaces, empty values.

Each rule is a pattern over a template of v1 and what stands in its place. They say nothing of single programs: a
rule is here when it follows from how messages are written at all. Applying them again changes nothing.
"""

from __future__ import annotations

from .patterns import compiled

_PART = r"(?:[A-Za-z0-9_-]|<(?:int|id|hex)>)++"
_TOP = (
    "com|net|org|edu|gov|mil|info|biz|arpa|local|internal|lan|localdomain|intranet|corp|svc|cloud"
    "|ac|ad|ae|af|ar|at|au|az|ba|bd|be|bg|bo|br|by|ca|cc|ch|ci|cl|cn|co|cr|cu|cy|cz|de|dk|dz|ec|ee|eg|es|et|eu|fi|fr|ga"
    "|ge|gh|gr|hk|hr|hu|id|ie|il|in|iq|ir|is|it|jo|jp|ke|kr|kw|kz|lb|lk|lt|lu|lv|ma|mk|mx|my|ng|ni|nl|no|np|nz|om|pa|pe|ph"
    "|pk|pt|py|qa|ro|ru|sa|se|sg|si|sk|su|sv|sy|th|tn|to|tr|tv|tw|ua|ug|uk|us|uy|uz|ve|vn|ye|za|zm|zw"
)
_REVERSED = r"(?!(?:com|org|net|edu|io|java|javax|android|de|fr|uk|jp|cn|in|to|is|at|by|my|no|us)\.)"

# Words before which, and behind which, stands somebody's name. What is said of a user is not one.
_BEFORE_USER = r"(?i:for|by|of|as|from|to|invalid|illegal|unknown|with) (?i:user|account|login)"
_NOT_A_NAME = (
    r"(?!(?i:name|names|id|ids|unknown|not|is|was|has|had|does|do|did|can|cannot|could|may|might|must|will|would|and|or|in|on"
    r"|with|without|agent|account|accounts|session|sessions|data|input|error|errors|group|groups|list|role|roles|type|mode"
    r"|model|profile|level|interface|space|who|that|from|to|by|at|for|already|because|due|request|requests|\w+ing|\w+ed)\b)"
)
_WORD = r"[A-Za-z_][\w.$@-]*+"

# What is to be seen before v1 takes it apart.
_EARLY: tuple[tuple[str, str], ...] = (
    (r"(?<![\w:.-])[0-9a-fA-F]{2}(?:([:-])[0-9a-fA-F]{2})(?:\1[0-9a-fA-F]{2}){4,6}(?![\w:-])", "<mac>"),
    # from=<ann@example.fr>
    (r"<[\w.+%=-]++@[\w.-]++>", "<email>"),
    # disk-by-uuid-…, consumer-3-…: a UUID that ends a longer name
    (
        r"(?<![\w.])[A-Za-z][\w.]*+(?:-(?![0-9a-f]{8}-[0-9a-f]{4}-)\w++)*+"
        r"-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w-])",
        "<id>",
    ),
    # cart-7d4b9c6f5d-x2v8q: what Kubernetes calls a pod; its alphabet has no vowels
    (
        r"(?<![\w.-])[a-z][a-z0-9]*+(?:-[a-z0-9]++)*?-(?=[a-z]*\d)[a-z0-9]{8,10}-[b-df-hj-np-tv-z0-9]{5}(?![A-Za-z0-9-])",
        "<id>",
    ),
)

RULES: tuple[tuple[str, str], ...] = (
    # db1.example.fr/10.0.0.7:5432
    (rf"(?<![\w/<>-])(?:{_PART}\.)*{_PART}/(?:<ip>|(?:<int>\.){{3}}<int>(?::<int>)?)(?![\w/<.])", "<host>"),
    # registry.example.fr/shop/cart:<version>
    (rf"(?<![\w.@/\\:>-]){_REVERSED}(?:{_PART}\.)++(?:{_TOP})(?::(?:\d++|<int>))?/[^\s\"',;()\[\]]++", "<url>"),
    # hosts: www.example.fr, <id>.wanadoo.fr:<int>; not modules such as org.apache.util.cc, nor files
    (
        rf"(?<![\w.@/\\:>-]){_REVERSED}(?:{_PART}\.)*?{_PART}\.(?:{_TOP})(?::(?:\d++|<int>))?(?![\w@/\\(<-])(?!\.\w)",
        "<host>",
    ),
    # for user ann, invalid user bob
    (rf"\b({_BEFORE_USER}) {_NOT_A_NAME}{_WORD}(?=$|[\s,;:.)\]])", r"\1 <str>"),
    # Accepted password for ann from 10.0.0.7
    (rf"\b(for|by) {_NOT_A_NAME}{_WORD}(?= from <(?:ip|host)>)", r"\1 <str>"),
    # logname= uid=<value>: nothing is a value too
    (r"(?<![\w>.\-])([A-Za-z_][\w.\-]{0,63}+)=(?=$|[\s,;)\]])", r"\1=<value>"),
    # @0x7f3a, in a longer word
    (r"(?<=[@#:(\[])<int>x<(?:hex|int|id)>|(?<=[@#:(\[])(?:0|<int>)x(?:[0-9a-fA-F]|<int>)++", "<hex>"),
    # ledOn:true
    (r"(?<=\w:)(?:true|false|True|False|null|None|nil)(?=$|[\s,;)\]])", "<value>"),
    # eth<int>, sda<int>: a kind of thing and its number
    (r"(?<![\w<>./-])[a-z]{2,3}<int>(?![\w<>./-])", "<id>"),
    # orders-<int>, worker_<int>_<hex>: somebody's name for one of many; ORA-<int> is a code
    (
        r"(?<![\w<>.@/\\-])(?![A-Z0-9]++[-_]<)[A-Za-z]\w*+(?:[-_](?:\w|<(?!(?:int|hex|id|uuid)>))++)*?"
        r"(?:[-_]?<(?:int|hex|id|uuid)>[a-z]{0,2})++(?:[-_](?:[A-Za-z]{1,2}|<(?:int|hex|id|uuid)>))*+(?![\w<>./-])",
        "<id>",
    ),
    # the sign of a number at the beginning of a longer word
    (r"(?<![^\s:=#(,\[])-(?=<int>[_:#])", ""),
    # R12-M1, node_D3: short names of parts, which v1 keeps where they are also names of formats
    (r"(?<=[A-Za-z>][-_])[A-Za-z]\d{1,2}(?=$|[-_\s,;:)\]])", "<id>"),
    # not mapped: K (index=<value>)
    (r"(?<=\w: )[^\W\d_](?=$|[\s(,;])", "<str>"),
    # salt value: $<int>$foo, at the end: a word that nobody would write
    (r"(?<=\w: )(?=\S*[$#%&*^~|+=])(?!<[a-z]+>=?)[^\s\"'(){}\[\]]++$", "<str>"),
    # root,ann,bob
    (r"(?<=[\s(])[a-z][\w.-]*+(?:,[a-z][\w.-]*+)++(?=$|[\s)])", "<list>"),
    # (root) CMD: who has a job run
    (rf"^\({_WORD}\) (?=[A-Z]{{3}})", "(<str>) "),
)


def foresee(message: str) -> str:
    """A message with that replaced which v1 would take for something else."""
    for pattern, replacement in _EARLY:
        message = compiled(pattern).sub(replacement, message)
    return message


def refine(template: str) -> str:
    """A template of v1 as v2 has it."""
    for pattern, replacement in RULES:
        template = compiled(pattern).sub(replacement, template)
    return template
