{% macro redaction_of_emails() %}
{%- set at %}(?:@|＠|\s?[\[(]\s?at\s?[\])]\s?){% endset -%}
{%- set dot %}(?:\.|\s?[\[(]\s?dot\s?[\])]\s?){% endset -%}
{%- set email -%}
    (?i)()((?:[\p{L}\p{N}_][\p{L}\p{M}\p{N}._%+&=~#$*!''’\-]*|[.%+'’\-]+|"[^"\s]{1,64}"){{ at }}(?:(?:[\p{L}\p{M}\p{N}_\-]+{{ dot }})+\p{L}[\p{L}\p{M}\p{N}\-]+|\[[0-9a-f:.]{3,45}\]):?)
{%- endset %}

-- git@host:path is an address of a repository.
create or replace function redaction.hide_emails(text) as (
    {{ only_if("regexp_matches(whole, '(?i)@|＠|[\\[(]\\s?at\\s?[\\])]')", judge('whole', email, "case
        when regexp_matches(piece, '^git@.*:$') then piece
        when ends_with(piece, ':') then '<EMAIL>:'
        else '<EMAIL>'
    end")) }}
);
{% endmacro %}

{# A date beside a word of birth; any other date stays. #}
{% macro redaction_of_birth_dates() %}
{%- set birth -%}
    (?i:\b(?:born|dob|d\.o\.b\.?|birth ?dates?|date of birth|birthday|birthdate|geboren|geb\.|geburtsdatum|geburtstag|née? le|date de naissance|anniversaire|nacid[oa]|nac[ií]|fecha de nacimiento|cumpleaños|nat[oa] (?:il|a|nel)|data di nascita|compleanno|nascid[oa]|nasci|data de nascimento|geboortedatum|verjaardag|urodzon[ya]|urodziłe?a?m|data urodzenia|född|födelsedatum|født|fødselsdato|syntynyt|syntymäaika|született|születési|narozena?|datum narození))
{%- endset -%}
{%- set month -%}
    (?i:jan|feb|fév|mar|mär|apr|avr|abr|may|mai|mag|maj|jun|jui|giu|jul|lug|aug|aoû|ago|sep|set|oct|okt|ott|out|nov|dec|dez|déc|dic|ene|gen)[a-zà-ž]{0,9}\.?
{%- endset -%}
{%- set date -%}
    (?:\d{1,4}[./\-]\s?\d{1,2}[./\-]\s?\d{2,4}|\d{1,2}(?:st|nd|rd|th|\.|º|er)?(?: of| de)? {{ month }},?(?: de)? \d{2,4}|{{ month }} \d{1,2}(?:st|nd|rd|th)?,? \d{4}|\d{4}年\s?\d{1,2}月\s?\d{1,2}日|\d{8})
{%- endset -%}
{%- set birth_date %}({{ birth }}[^\d\n<>;]{0,50}?\n?[^\d\n<>;]{0,10}?){{ date }}\b{% endset %}

create or replace function redaction.hide_birth_dates(text) as (
    {{ hide('text', birth_date, '<BIRTH_DATE>') }}
);
{% endmacro %}

{# Telephone numbers: international, North American, with a leading zero, in the groups of some
   countries, and any grouped number beside a word for calling. #}
{% macro redaction_of_phones() %}
{%- set gap %}[ \t\p{Zs}().\-\x{2010}-\x{2015}/]{0,3}{% endset -%}
{%- set before %}(^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.+#/\-]|[^0-9][/\-]){% endset -%}
{%- set extension %}(?:[ ,]{0,2}(?i:x|ext\.?|extension|durchwahl|#)[ .:]?\d{1,6})?{% endset -%}
{%- set international -%}
    (^|[^A-Za-z_\x{C0}-\x{1FFF}+])(\(?\+{{ gap }}[1-9](?:{{ gap }}\d){6,14}{{ extension }})\b
{%- endset -%}
{%- set zeros -%}
    {{ before }}(00[1-9]\d{0,2}[ ./\-](?:{{ gap }}\d){6,12}{{ extension }})\b
{%- endset -%}
{%- set north_america -%}
    {{ before }}((?:1[ .\-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .\-\x{2011}])\d{3}[ .\-\x{2011}]\d{4}{{ extension }}|(?:1[ .\-]?)?\(?[2-9]\d{2}\)?[ .\-\x{2011}]?[2-9]\d{2}[ .\-\x{2011}]?\d{4}{{ extension }})\b
{%- endset -%}
{%- set trunk_zero -%}
    {{ before }}(\(?0[1-9](?:(?:[ .\-]?\d{2}){4}|\d{0,3}\)?[ /.\-]?\d{3,4}(?:[ .\-]?\d{2,6}){1,3}|\d{0,4}\)?[ /\-]\d{3,8}(?:[ \-]\d{2,6}){0,3}){{ extension }})\b
{%- endset -%}
{%- set groups -%}
    {{ before }}([6-9]\d{2} \d{3} \d{3}|\d{2,3} \d{3} \d{3} \d{4}|\d{2} \d{3} \d{2} \d{2}|[6-9]\d{4}[ \-]\d{5}|\(\d{2,5}\)[ \-]?\d{3,5}[ \-]?\d{3,5})\b
{%- endset -%}
{%- set number -%}
    (\(?\d(?:[ .\-/()\x{a0}\x{2010}-\x{2015}]{0,2}\d){6,14}{{ extension }})\b
{%- endset -%}
{%- set then -%}
    [ \t:.,#()=|/*\-]{0,6}(?:(?i:is|no|nr|number|numéro|numero|número|nummer|line|home|work|us|me|at|on|to|of|with|my|our|his|her|their)\b[ \t:.,#()=|/*\-]{0,4}){0,4}
{%- endset -%}
{%- set label -%}
    ((?:^|[^<0-9A-Za-z_])(?i:(?:tele)?(?:phone|fono|fone|foon|fon)s?\b|(?:tel|ph|cell|cellphone|mobile|mob|fax|telefax|landline|desk|office|hotline|handy|mobil|mobiltelefon|rufnummer|telefonnummer|portable|téléphone|teléfono|móvil|movil|celular|cellulare|telemóvel|gsm|whatsapp|signal|viber|telegram|puhelin|puh|tlf|tfn|numer telefonu|komórka)\b|电话|手机|電話|携帯|전화|휴대폰){{ then }}\n?[ \t]{0,4})
{%- endset -%}
{%- set call -%}
    ((?:^|[^<0-9A-Za-z_])(?i:(?:call|calls|called|calling|ring|dial|text|texts|message|messages|sms|phone|reach|reached|contact|answer|answers|answering|callback|registered|ruf[a-zà-ž]{0,9}|anrufen|appel[a-zà-ž]{0,9}|llam[a-zà-ž]{0,9}|llám[a-zà-ž]{0,9}|chiam[a-zà-ž]{0,9}|ligue|ligar|bel|bellen|ring[a-zà-ž]{0,9}|dzwoni[a-zà-ž]{0,9}|zadzwoń|soita[a-zà-ž]{0,9})\b)[^\d\n<>;]{0,60}?(?i:\b(?:on|at|to|me|us|him|her|them|is|number|nr|no\.?|registered|unter|an|au|al|ao|op|på|numer[a-zà-ž]{0,9}|numero|número|numéro)\b)[:\s]{1,3})
{%- endset -%}
{%- set grouped -%}
    (\(?\d{2,5}\)?(?:[ .\-/\x{a0}]\(?\d{2,5}\)?){1,5}|\d{9,12})\b
{%- endset -%}
{%- set labelled_after -%}
    {{ before }}(\(?\d(?:[ .\-/()]{0,2}\d){6,14}{{ extension }})([ \t]?[\-(]?(?i:office|fax|mobile|cell|home|work|desk|landline|phone)\b)
{%- endset -%}
{%- set verdict -%}
    case when redaction.is_phone_number(piece) then '<PHONE>' else piece end
{%- endset %}

-- Seven to fifteen digits (E.164), before an extension; not a date, an instant or an amount.
create or replace function redaction.is_phone_number(text) as (
    length(regexp_replace(regexp_replace(text, '(?i)[x#e,].*$', ''), '\D', '', 'g'))
        between 7 and 15
    and not regexp_matches(
        text,
        '(?:^|\D)(?:\d{1,2}[\-/. ]\d{1,2}[\-/. ](?:19|20)\d\d|(?:19|20)\d\d[\-/.]\d\d[\-/.]\d\d)(?:\D|$)'
        || '|^\d{1,3}(?:[.,]\d{3})+[.,]\d{2}$'
    )
);

create or replace function redaction.hide_phones(text) as (
    {% set text = judge('text', international, verdict) -%}
    {%- set text = judge(text, zeros, verdict) -%}
    {%- set text = judge(text, north_america, verdict) -%}
    {%- set text = judge(text, trunk_zero, verdict) -%}
    {%- set text = judge(text, groups, verdict) -%}
    {%- set text = judge(text, label ~ number, verdict) -%}
    {%- set text = judge(text, call ~ grouped, verdict) -%}
    regexp_replace(
        {{ text }}, '{{ labelled_after }}', '\1<PHONE>\3', 'g'
    )
);
{% endmacro %}

{# Streets with their number, post boxes, and codes that name a street or a town. Ordinary words
   that are also kinds of street need the number and capitals beside them. #}
{% macro redaction_of_addresses() %}
{%- set unit -%}
    (?:[,\s]{1,3}(?i:apt|apartment|suite|ste|unit|flat|floor|fl|room|rm|building|bldg|wohnung|stock|étage|piso|appt)\b\.? ?#?(?:\d[\dA-Za-z\-]{0,5}|[A-Z]\b))
{%- endset -%}
{%- set english -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.\-])\d{1,6}[A-Za-z]?(?:[ \-]\d{1,5})? (?:(?i:[NSEW]|NE|NW|SE|SW|North|South|East|West)\b\.? )?(?:(?:[A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}'’.\-]*|\d{1,3}(?:st|nd|rd|th)) ){1,4}(?i:street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|square|squares|terrace|parkway|pkwy|highway|hwy|crescent|cres|close|mews|gardens|circle|cir|trail|grove|alley|quay|esplanade|turnpike)\b(?:\.?{{ unit }}){0,2}
{%- endset -%}
{%- set germanic -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.\-])(?:\d{1,6} )?(?:[A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}'’\-]*(?:straße|strasse|str\.|weg|allee|gasse|platz|damm|ufer|chaussee|gade|vej|gatan|vägen|veien|gata|gate|vegen|katu|kuja|puruntie|straat|laan|plein|gracht|kade|steenweg|stræti|braut)|[A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}\-]+ (?:Straße|Strasse|Str\.|Allee|Weg|Platz|Gasse|Damm|Ufer)|[A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}.\-]+(?: [A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}.\-]+){0,2} (?:utca|u\.|út|tér|körút|kapu)) \d{1,4}\.? ?[a-zA-Z]?\b(?:[/\-]\d{1,4})?{{ unit }}{0,2}
{%- endset -%}
{%- set romance -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.\-])(?:\d{1,6} )?(?:Rue|Via|Viale|Piazza|Piazzale|Corso|Vicolo|Largo|Strada|Calle|C/|Avenida|Avda\.?|Paseo|Carretera|Camino|Rua|Travessa|Praça|Alameda|Estrada|[uU]l\.|[uU]lica|[aA]leja|[aA]l\.|[oO]s\.|[pP]l\.|Λεωφόρος|Οδός) (?:[A-Za-z\x{C0}-\x{1FFF}][A-Za-z\x{C0}-\x{1FFF}'’.\-]*,? ){1,5}?(?:n[°º.]? ?)?\d{1,5}[a-zA-Z]?\b(?:[/\-]\d{1,4})?{{ unit }}{0,2}
{%- endset -%}
{%- set french -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.\-])\d{1,5}(?: ?bis| ?ter)?,? (?i:rue|avenue|boulevard|bd|chemin|impasse|allée|quai|place|route)(?: (?:de|du|des|d'|la|le|les|l'|l’|d’|al|el))*[ '’][A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}'’\-]*(?: (?:(?:de|du|des|la|le|les|al) )?[A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}'’\-]*){0,3}
{%- endset -%}
{%- set box -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.\-])(?:\d{1,6} )?(?i:p\. ?o\. ?box|po box|post ?box|postfach|boîte postale|casella postale|apartado(?: de correos)?|postbus|postboks)[ .:#]{1,2}\d{1,6}\b{{ unit }}{0,2}
{%- endset -%}
{%- set military -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.\-])(?i:(?:psc|unit|cmr) \d{3,4},? box \d{3,5}(?:\s+(?:apo|fpo|dpo),? a[aep] \d{5})?|(?:apo|fpo|dpo),? a[aep] \d{5})\b
{%- endset -%}
{%- set uk_postcode -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.\-])(?:GIR 0AA|[A-PR-UWYZ][A-HK-Y]?\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2})\b
{%- endset -%}
{%- set us_city -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.\-])[A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}'’.\-]*(?: [A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}'’.\-]*){0,2}, ?(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])[ ,]{1,2}\d{5}(?:-\d{4})?\b
{%- endset -%}
{%- set prefixed_code -%}
    (^|[^0-9A-Za-z_\x{C0}-\x{1FFF}.\-])(?:D|DE|A|AT|CH|F|I|E|NL|B|L)-\d{4,5} [A-Z\x{C0}-\x{42F}][a-z\x{DF}-\x{1FFF}\-]{2,}
{%- endset -%}
{%- set labelled_code -%}
    ((?i:\b(?:zip|zip ?code|postal ?code|post ?code|plz|postleitzahl|code postal|código postal|cap|cep|postnummer|postcode)\b)[ \t]*(?:is|:|=)?[ \t]*)(?:[A-Z]{1,2}-)?\d{3,5}(?:[ \-]\d{2,4})?\b
{%- endset -%}
{#- What an address goes on with: its town, with the code before or after it. #}
{%- set town -%}
    ()<ADDRESS>(?:[,\s]{1,8}(?:<ADDRESS>|(?:[A-Z]{1,2}-)?\d{4,5} [A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}\-]+|[A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}.\-]+(?: [A-Z\x{C0}-\x{42F}][A-Za-z\x{C0}-\x{1FFF}.\-]+){0,2},? (?:[A-Z]{2},? )?\d{4,6}\b))+
{%- endset %}

create or replace function redaction.hide_addresses(text) as (
    {% set text = hide('whole', box, '<ADDRESS>') -%}
    {%- set text = hide(text, military, '<ADDRESS>') -%}
    {%- set text = hide(text, us_city, '<ADDRESS>') -%}
    {%- set text = hide(text, english, '<ADDRESS>') -%}
    {%- set text = hide(text, germanic, '<ADDRESS>') -%}
    {%- set text = hide(text, romance, '<ADDRESS>') -%}
    {%- set text = hide(text, french, '<ADDRESS>') -%}
    {%- set text = hide(text, uk_postcode, '<ADDRESS>') -%}
    {%- set text = hide(text, prefixed_code, '<ADDRESS>') -%}
    {%- set text = hide(text, labelled_code, '<ADDRESS>') -%}
    {{ only_if("regexp_matches(whole, '\\d')", hide(text, town, '<ADDRESS>')) }}
);
{% endmacro %}
