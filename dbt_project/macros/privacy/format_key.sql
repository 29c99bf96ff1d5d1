{% macro format_key(column, class) -%}
    privacy.format_key({{ column }}, '{{ class_name('format_key', class) }}')
{%- endmacro %}

{# A Feistel network over the letters and digits: those at even places are moved on in their own
   alphabet by a keyed hash of those at odd places, and the other way round, so that no two values
   of one shape become one. Backwards, one step on, and forwards again: as the step leaves no value
   where it was, neither does the whole. Below 10^6 values of a shape such a cipher can be searched
   (NIST SP 800-38G), so fewer than six letters and digits are hidden whole.
   A place is a number: a hundred times the size of its alphabet, and where it is in it. Of each
   hash three hex digits move one place, so that one hash is enough for 21. #}
{% macro duckdb__format_key(value, class) -%}
    {%- set text = clean_text(value) -%}
    case
        when length(regexp_replace({{ text }}, '[^0-9A-Za-z]', '', 'g')) between 6 and 42
            and not regexp_matches(
                regexp_replace({{ text }}, '[\x00-\x7F]', '', 'g'), '[\p{L}\p{M}\p{N}]'
            )
            then array_to_string(
                list_transform(
                    list_zip(
                        regexp_split_to_array({{ text }}, '[0-9A-Za-z]'),
                        regexp_extract_all({{ text }}, '[0-9A-Za-z]'),
                        {{ moved_places(text, class) }}
                    ),
                    lambda part: part[1] || case
                        when part[2] is null then ''
                        when part[2] <= '9' then chr(48 + part[3] % 100)
                        when part[2] <= 'Z' then chr(65 + part[3] % 100)
                        else chr(97 + part[3] % 100)
                    end
                ),
                ''
            )
    end
{%- endmacro %}

{% macro moved_places(text, class) -%}
    list_transform(
        [
            {{ class }} || ':format:' || regexp_replace(
                regexp_replace(regexp_replace({{ text }}, '[0-9]', '0', 'g'), '[A-Z]', 'A', 'g'),
                '[a-z]', 'a', 'g'
            )
        ],
        lambda shape: list_reduce(
            [[4, -1], [3, -1], [2, -1], [1, -1], [0, 1], [1, 1], [2, 1], [3, 1], [4, 1]],
            lambda places, round: list_transform(
                [
                    privacy.keyed_hash(
                        shape || ':' || round[1] || ':' || array_to_string(
                            list_filter(places, lambda place, number: number % 2 <> round[1] % 2), '.'
                        )
                    )
                ],
                lambda hash: list_transform(
                    places,
                    lambda place, number: place - place % 100 + (
                        place % 100 + place // 100 + round[2] * case
                            when round[1] = 0 then 1
                            when number % 2 <> round[1] % 2 then 0
                            else cast(
                                '0x' || substr(hash, 3 * ((number + 1) // 2) - 2, 3) as integer
                            ) % (place // 100)
                        end
                    ) % (place // 100)
                )
            )[1],
            [
                case
                    when sign <= '9' then 1000 + ascii(sign) - 48
                    when sign <= 'Z' then 2600 + ascii(sign) - 65
                    else 2600 + ascii(sign) - 97
                end
                for sign in regexp_extract_all({{ text }}, '[0-9A-Za-z]')
            ]
        )
    )[1]
{%- endmacro %}
