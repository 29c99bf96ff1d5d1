{# A free text with typed placeholders in place of personal data: the known values of the people
   that the text concerns, whatever these look like, and what looks like personal data.
   `known` names their columns by class: {'name': [...], 'email': [...], 'phone': [...],
   'address': [...]}. A column may hold several values, one a line. #}
{% macro redact(column, known={}) -%}
    {%- for class in known if class not in ('name', 'email', 'phone', 'address') -%}
        {{ exceptions.raise_compiler_error(
            "redact: '" ~ class ~ "' is no class of known values; use name, email, phone or address"
        ) }}
    {%- endfor -%}
    privacy.redact(
        {{ column }}
        {%- for class in ('name', 'email', 'phone', 'address') -%}
        , cast([{{ known.get(class, []) | join(', ') }}] as varchar[])
        {%- endfor -%}
    )
{%- endmacro %}

{% macro duckdb__redact(text, names, emails, phones, addresses) -%}
    redaction.hide_known_names(
        redaction.hide_known_addresses(
            redaction.hide_patterns(
                redaction.hide_known_phones(
                    redaction.hide_known_emails(
                        redaction.readable({{ text }}), redaction.lines({{ emails }})
                    ),
                    redaction.lines({{ phones }})
                )
            ),
            redaction.lines({{ addresses }})
        ),
        redaction.lines({{ names }})
    )
{%- endmacro %}

{# The functions that `redact` is made of, in a schema of their own, as a mask is none of them.
   They need no more of dbt than Jinja and `var('public_urls')`: `grounded privacy redact` makes
   them without dbt. #}
{% macro redaction_functions() %}
create schema if not exists redaction;
{{ redaction_checks() }}
{{ redaction_patterns() }}
{{ redaction_of_known_values() }}
{{ redaction_of_mentions() }}
{% endmacro %}
