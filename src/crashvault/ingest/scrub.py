from typing import Any
class ScrubPolicy: pass
def policy_from(c): return ScrubPolicy()
def scrub(e,p,enc=None): return 0
