"""What a name is called that is itself a value, and what its value is called: `{"name": "DB_PASSWORD", "value": …}`. Pure."""

from __future__ import annotations


def spelled(words: str) -> frozenset[str]:
    """Each of some names in snake case, as it is written elsewhere too."""
    made = set()
    for name in words.split():
        first, *rest = name.split("_")
        camel = first + "".join(one.title() for one in rest)
        made |= {name, name.upper(), name.replace("_", "-"), camel, camel[0].upper() + camel[1:]}
        made.add("-".join(one.title() for one in name.split("_")))
    return frozenset(made)


LABELS = spelled("""
    name key field header label param parameter option variable property attribute column setting k n
    header_name field_name key_name parameter_name parameter_key option_name option_key variable_name env_name property_name
    attribute_name column_name setting_name config_name config_key secret_name loc
""")
"""Under these a value may be what another is called."""

BESIDE = spelled("""
    value val v content contents data input default default_value string_value header_value field_value parameter_value
    option_value variable_value property_value attribute_value setting_value config_value current_value new_value old_value
    resolved_value input
""")
"""Under these is the other."""

LONGEST_NAME = 64
