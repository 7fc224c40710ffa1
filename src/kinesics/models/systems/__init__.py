"""The systems that come with the package, one file each. A new one is a file here and its line in `BUILT_IN`."""

from __future__ import annotations

from kinesics.models.systems import kpsem, mdt, mlfe, plain, stp, tea, tefe, tsm, tsn

BUILT_IN = (
    tsn.SYSTEM,
    tsm.SYSTEM,
    plain.SYSTEM,
    kpsem.SYSTEM,
    mlfe.SYSTEM,
    stp.SYSTEM,
    tefe.SYSTEM,
    tea.SYSTEM,
    mdt.SYSTEM,
)
