{# Card and account numbers. #}
{% macro redaction_of_accounts() %}
{%- set iban -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}])((?i:[a-z]{2}\d{2}(?:[ \x{a0}\-]?[a-z0-9]{4}){2,7}(?:[ \x{a0}\-]?[a-z0-9]{1,4})?))
{%- endset -%}
{%- set iban_in_any_groups -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}])([A-Z]{2}\d{2}(?:[ \-]?[A-Z0-9]){11,30})
{%- endset -%}
{%- set card -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.+\-])([2-68]\d{3}[ \x{a0}\-]?\d{4}[ \x{a0}\-]?\d{4}[ \x{a0}\-]?\d{4}(?:[ \x{a0}\-]?\d{3})?|3\d{3}[ \x{a0}\-]?\d{6}[ \x{a0}\-]?\d{4,5}|(?:2131|1800)\d{11}|[2-68]\d{13,18})\b
{%- endset -%}
{%- set card_in_any_groups -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.+\-])([2-68](?:[ \-]?\d){13,18})\b
{%- endset -%}
{%- set card_by_its_word -%}
    ((?:^|[^<0-9A-Za-z_])(?i:(?:cards?|cc|credit|debit|visa|master ?card|amex|american express|maestro|diners|jcb|carte|cartes|tarjeta|karte|kreditkarte|cartão|carta di credito|kort|kaart|karta|pan)\b)[^\d\n<>;]{0,40})(\d(?:[ \x{a0}\-]?\d){11,18})\b
{%- endset -%}
{%- set iban_verdict -%}
    list_transform(
        [regexp_extract(
            piece,
            '^(?:[ \x{a0}\-]?[A-Za-z0-9]){' || redaction.iban_length(upper(left(piece, 2))) || '}'
        )],
        lambda number: case
            when redaction.is_iban(redaction.bare(number)) then '<IBAN>' || piece[length(number) + 1:]
            else piece
        end
    )[1]
{%- endset -%}
{%- set card_verdict %}case when redaction.starts_with_card(redaction.bare(piece)) then '<CARD>' else piece end{% endset %}

create or replace function redaction.hide_accounts(text) as (
    {% set text = judge('text', iban, iban_verdict) -%}
    {%- set text = judge(text, iban_in_any_groups, iban_verdict) -%}
    {%- set text = judge(text, card, card_verdict) -%}
    {%- set text = judge(text, card_in_any_groups, card_verdict) -%}
    {{ hide(text, card_by_its_word, '<CARD>') }}
);
{% endmacro %}

{# National numbers: the US social security number, and those with a checksum or a rare form. #}
{% macro redaction_of_national_ids() %}
{%- set before %}(^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.+\-]){% endset -%}
{%- set ssn -%}
    {{ before }}(?:(?:00[1-9]|0[1-9]\d|[1-57-9]\d\d|6[0-57-9]\d|66[0-57-9])(?:-(?:0[1-9]|[1-9]\d)-|[ ](?:0[1-9]|[1-9]\d)[ ])(?:000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d{3}))\b
{%- endset -%}
{%- set ssn_by_its_word -%}
    ((?:^|[^<0-9A-Za-z_])(?i:(?:ssn|itin|social security(?: (?:number|no\.?|#))?))[^\d\n<>;]{0,20})\d{3}[ .\-]?\d{2}[ .\-]?\d{4}\b
{%- endset -%}
{%- set telling -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}\-])([12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d|\d{8}[ \-]?[A-Z]|[XYZ][ \-]?\d{7}[ \-]?[A-Z]|[A-Z]{6}[0-9L-V]{2}[A-Z][0-9L-V]{2}[A-Z][0-9L-V]{3}[A-Z]|[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]|[A-Z]{5}\d{4}[A-Z])\b
{%- endset -%}
{%- set grouped -%}
    {{ before }}([2-9]\d{3} \d{4} \d{4}|\d{3}\.\d{3}\.\d{3}-\d\d|[1-79]\d\d-\d{3}-\d{3}|\d\d \d{3} \d{3} \d{3})\b
{%- endset -%}
{%- set by_its_word -%}
    ((?:^|[^<0-9A-Za-z_])(?i:(?:bsn|burgerservicenummer|sofi|pesel|sin|social insurance|nas|steuer-?id(?:nr|entifikationsnummer)?|steuernummer|idnr|tin|tax id|cpf|aadhaar|aadhar|uid|nir|sécu(?:rité sociale)?|insee|personal number|national id(?:entity)?)\b)[^\d\n<>;]{0,30})(\d(?:[ .\-]?\d){8,14})\b
{%- endset -%}
{%- set verdict -%}
    case when redaction.is_plain_id(redaction.bare(piece)) then '<NATIONAL_ID>' else piece end
{%- endset %}

create or replace function redaction.hide_national_ids(text) as (
    {% set text = hide('text', ssn, '<SSN>') -%}
    {%- set text = hide(text, ssn_by_its_word, '<SSN>') -%}
    {%- set text = judge(
        text, telling,
        "case when redaction.is_telling_id(redaction.bare(piece)) then '<NATIONAL_ID>' else piece end"
    ) -%}
    {%- set text = judge(text, grouped, verdict) -%}
    {{ judge(text, by_its_word, verdict) }}
);
{% endmacro %}

{# Addresses of machines. What names no machine stays: loopback, netmasks and private networks, as
   does a version of four parts. #}
{% macro redaction_of_networks() %}
{%- set ipv4 -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.])((?i:(?:version|release|build|revision)[ :=]{1,2})?\d{1,3}(?:\.\d{1,3}){3}(?:\.\d+)*(?:/\d{1,2})?)\b
{%- endset -%}
{%- set ipv6 -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}:.])((?:[0-9A-Fa-f]{1,4}:|:)(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{1,4})\b
{%- endset %}

{%- set ipv4_verdict -%}
    case
        when regexp_full_match(
            piece, '(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:/\d+)?'
        ) and not regexp_full_match(
            piece,
            '127\..*|0\.0\.0\.0(?:/\d+)?|255\..*|(?:10|172|192\.168|169\.254)\..*\.0/\d+'
        ) then '<IP>'
        else piece
    end
{%- endset -%}
{%- set ipv6_verdict -%}
    case
        when regexp_full_match(piece, '(?i)(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}')
            or (
                regexp_full_match(piece, '(?i)(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}')
                and regexp_matches(piece, '\d') and regexp_matches(piece, '(?i)[0-9a-f]{3}')
            ) then '<IP>'
        else piece
    end
{%- endset %}

create or replace function redaction.hide_networks(text) as (
    {{ judge(judge('text', ipv4, ipv4_verdict), ipv6, ipv6_verdict) }}
);
{% endmacro %}
