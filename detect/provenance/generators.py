"""Which tools make whole pictures, clips or voices: for files that say who made them but not how.

Older AI files carry no digital source type, only a generator or an agent. The claim's generator and the agent of the
creating action are asked first; the certificate's subject only where that subject signs nothing but generated media.
A company's name alone never decides: Google, Adobe and Microsoft sign camera pictures and edits too.
"""

from __future__ import annotations

import re

from detect.provenance.store import Action, Manifest

_GENERATORS = (
    ("OpenAI", r"\bopenai[-_ ]api\b|\bdall[·\-. ]?e\b|\bchatgpt\b|openai media service|\bgpt[- ]?image\b|\bsora\b"),
    ("Microsoft image creator", r"microsoft[_ ]responsible[_ ]ai|image creator|bing image creator"),
    ("Adobe Firefly", r"adobe[_ ]firefly"),
    ("Amazon Bedrock", r"amazon[_ ]bedrock|titan image generator|nova (canvas|reel)"),
    ("Black Forest Labs", r"black forest labs|\bflux\.?[12]\b"),
    ("Stability AI", r"stability ai|stable (diffusion|image)"),
    ("ByteDance", r"volcengine|byteplus|dreamina|\bseedream\b|\bseedance\b"),
    ("Recraft", r"recraft"),
    ("Getty Images generator", r"ai[- ]generated image"),
    ("ElevenLabs", r"eleven ?labs"),
    ("Synthesia", r"synthesia"),
    ("Midjourney", r"midjourney"),
    ("Ideogram", r"ideogram"),
    ("Runway", r"\brunway(ml)?\b"),
)
_PATTERNS = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _GENERATORS)

_SIGNERS_OF_GENERATED_MEDIA_ONLY = re.compile(
    r"truepic lens cli in (dall|chatgpt)|openai media service|elevenlabs|synthesia|ai[- ]generated image",
    re.IGNORECASE,
)


def name_generator(text: str) -> str | None:
    """Return the known generator named in `text`, or None."""
    return next((name for name, pattern in _PATTERNS if pattern.search(text)), None)


def generator_of(manifest: Manifest) -> str | None:
    """Return the generator that made the content of this manifest, when it is one that makes whole works.

    Only for manifests that create (`c2pa.created`, or no action at all) and carry no digital source type: where the
    file says how it was made, that is what counts.
    """
    if any(action.source_type for action in manifest.actions) or any(
        item.relationship == "parentOf" for item in manifest.ingredients
    ):
        return None
    created = [action for action in manifest.actions if action.name == "c2pa.created"]
    if manifest.actions and not created:
        return None
    texts = [manifest.generator, *(text for action in created for text in _texts(action))]
    found = next(filter(None, (name_generator(text) for text in texts)), None)
    if found is None and _SIGNERS_OF_GENERATED_MEDIA_ONLY.search(manifest.certificate.subject.common_name):
        found = name_generator(manifest.certificate.subject.common_name)
    return found


def _texts(action: Action) -> tuple[str, str]:
    return action.agent, action.description
