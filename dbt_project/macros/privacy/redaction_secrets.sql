{# Keys and tokens by the forms that their makers give them; then what a name such as `password`
   introduces, if it looks random. #}
{% macro redaction_of_secrets() %}
{%- set pem -%}
    ()-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)
{%- endset -%}
{%- set token -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}])(?:(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA)[A-Z0-9]{16}\b|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,}|gl(?:pat|dt|rt|ptt|cbt)-[\w\-]{20,}|xox[abceoprs]-[\w\-]{10,}|xapp-[\w\-]{10,}|(?:sk|pk|rk)_(?:live|test)_\w{10,}|whsec_[\w+/=]{20,}|AIza[\w\-]{35}|ya29\.[\w\-]{20,}|GOCSPX-[\w\-]{20,}|1//0[\w\-]{30,}|sk-[\w\-]{20,}|npm_[A-Za-z0-9]{36}|pypi-[\w\-]{50,}|SG\.[\w\-]{16,}\.[\w\-]{16,}|hf_[A-Za-z0-9]{30,}|dop_v1_[a-f0-9]{64}|shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}|eyJ[\w\-]{8,}\.[\w\-]{8,}(?:\.[\w\-]*)?)
{%- endset -%}
{%- set bearer -%}
    ((?i:\b(?:bearer|authorization: ?(?:basic|token|digest)))[ \t]+)([\w.~+/=\-]{12,})
{%- endset -%}
{%- set named -%}
    ((?i:(?:password|passwd|passphrase|passwort|pwd|mot de passe|contraseña|secret|api[_\- ]?key|access[_\- ]?key(?:[_\- ]id)?|account[_\- ]?key|private[_\- ]?key|secret[_\- ]?key|signing[_\- ]?key|encryption[_\- ]?key|token|credentials?)["']?[ \t]*(?:[:=]|=>| is )[ \t]*["']?)|(?i:\bkey["']?=["']?))([^\s"'`,;<>(){}\[\]&|]{6,})
{%- endset %}

-- A value that somebody invented or a machine drew: a word, a path, a variable or a name is none.
create or replace function redaction.is_random(value) as (
    regexp_matches(value, '\d') and regexp_matches(value, '[A-Za-z]')
    and not regexp_matches(value, '^(?:[$/.%]|[a-z][a-z0-9+.\-]*://)|^(?i:[a-z]+[\-_.])+(?i:[a-z]+|v?\d{1,2})$')
);

create or replace function redaction.hide_secrets(text) as (
    {% set text = hide('text', pem, '<SECRET>') -%}
    {%- set text = hide(text, token, '<SECRET>') -%}
    {%- set text = hide(text, bearer, '<SECRET>') -%}
    {{ judge(text, named, "case when redaction.is_random(piece) then '<SECRET>' else piece end") }}
);
{% endmacro %}

{# Every address on the web or of a server with a login, except the public ones that the project
   declares: a page can be a person's own, and who has seen it tells about a person. #}
{% macro redaction_of_urls() %}
{%- set url -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}])((?i:[a-z][a-z0-9+.\-]{1,20}://|www\.)(?:[^\s\p{Z}<>"'`\\^{}|()\[\]]|\([^\s\p{Z}<>"'`\\^{}|()\[\]]*\))*[^\s\p{Z}<>"'`\\^{}|()\[\].,;:!?*])
{%- endset -%}
{%- set local -%}
    (?i)^[a-z]+://(?:localhost|(?:[^/@?#]*\.)?(?:example\.(?:com|net|org)|example|test|invalid|local|internal|svc)|\d{1,3}(?:\.\d{1,3}){3}|[a-z0-9\-]+)(?::\d+)?(?:[/?#]|$)
{%- endset %}

create or replace function redaction.is_public_url(url) as (
    -- no user, password or signature is in it
    not regexp_matches(
        url,
        '(?i)://[^\s/?#]*@|[?&;#](?:access_token|api_?key|auth|code|email|e-mail|key|pass|password'
        || '|pwd|secret|session|sid|sig|signature|token|user|x-amz-[a-z\-]+)='
    )
    and (
        not regexp_matches(url, '(?i)^(?:https?|ftps?|sftp|wss?)://|^www\.')
        or regexp_matches(url, '{{ local | replace("'", "''") }}')
        {%- for prefix in var('public_urls') %}
        or starts_with(regexp_replace(url, '^(?i:https?://)?(?i:www\.)?', ''), '{{ prefix }}')
        {%- endfor %}
    )
);

create or replace function redaction.hide_urls(text) as (
    {{ only_if("contains(whole, '://') or contains(lower(whole), 'www.')", judge(
        'whole', url, "case when redaction.is_public_url(piece) then piece else '<URL>' end"
    )) }}
);
{% endmacro %}

