"""A form is looked for only where something stands that it needs, so every text with the form must have that."""

from __future__ import annotations

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from edms_tasks.undeclared.ids_in_texts import FORMS, IdForm


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@settings(max_examples=40)
@given(data=st.data())
def test_every_text_with_a_form_has_what_stands_near_its_ids(data: st.DataObject, form: IdForm) -> None:
    text = data.draw(st.from_regex(re.compile(form.whole, re.ASCII)))

    assert re.search(form.near, text, re.ASCII)
