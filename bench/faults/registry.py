"""The faults a generator can be given on purpose, so that metrics can be tested on known damage."""

from bench.faults import content, parts, whole
from bench.faults.tools import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        *(whole.flicker, whole.noise, whole.wobble, whole.drift, content.pop, content.vanish),
        *(content.morph, content.swap, content.cut, whole.hold, whole.drop, whole.order),
        *(whole.shuffle, content.still, content.still_noise, content.zoom_still, content.pan_still),
        *(content.pure_noise, content.logo_still, content.ripple_still, content.pulse_still),
        *(content.slideshow, parts.stick, parts.boil, parts.freeze_part, parts.delay_part),
        *(parts.mirror_part, parts.recolour_part, parts.melt, parts.swell, parts.stretch),
        *(parts.swirl, parts.wobble_part, parts.wobble_background, parts.duplicate, parts.detach),
        *(parts.teleport, parts.fade_part, parts.light_part, whole.crossfade, whole.ghost),
        *(whole.judder, whole.shake, whole.tear, whole.blocks, whole.hue_drift, whole.soften),
        *(whole.blur, whole.open_shutter, whole.half_resolution, whole.lossy),
    )
}
"""Every fault by its name."""
