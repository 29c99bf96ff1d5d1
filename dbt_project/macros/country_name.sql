{# One English name per country out of codes, other spellings and any case. A spelling that is not
   listed here passes as it came. #}
{% macro country_name(column) -%}
    {%- set spellings = {
        'Argentina': ['ar', 'arg'],
        'Australia': ['au', 'aus'],
        'Austria': ['at', 'aut', 'österreich'],
        'Belgium': ['be', 'bel', 'belgique', 'belgië'],
        'Brazil': ['br', 'bra', 'brasil'],
        'Canada': ['ca', 'can'],
        'China': ['cn', 'chn', '中国'],
        'Czechia': ['cz', 'cze', 'czech republic', 'česko'],
        'Denmark': ['dk', 'dnk', 'danmark'],
        'Egypt': ['eg', 'egy', 'مصر'],
        'Finland': ['fi', 'fin', 'suomi'],
        'France': ['fr', 'fra'],
        'Germany': ['de', 'deu', 'ger', 'deutschland'],
        'Greece': ['gr', 'grc', 'ελλάδα'],
        'Hungary': ['hu', 'hun', 'magyarország'],
        'India': ['in', 'ind'],
        'Ireland': ['ie', 'irl', 'éire'],
        'Israel': ['il', 'isr', 'ישראל'],
        'Italy': ['it', 'ita', 'italia'],
        'Japan': ['jp', 'jpn', '日本'],
        'Mexico': ['mx', 'mex', 'méxico'],
        'Netherlands': ['nl', 'nld', 'the netherlands', 'nederland', 'holland'],
        'New Zealand': ['nz', 'nzl'],
        'Nigeria': ['ng', 'nga'],
        'Norway': ['no', 'nor', 'norge'],
        'Poland': ['pl', 'pol', 'polska'],
        'Portugal': ['pt', 'prt'],
        'Romania': ['ro', 'rou', 'românia'],
        'Saudi Arabia': ['sa', 'sau'],
        'South Africa': ['za', 'zaf'],
        'South Korea': ['kr', 'kor', 'korea', '대한민국'],
        'Spain': ['es', 'esp', 'españa'],
        'Sweden': ['se', 'swe', 'sverige'],
        'Switzerland': ['ch', 'che', 'schweiz', 'suisse'],
        'Turkey': ['tr', 'tur', 'türkiye'],
        'Ukraine': ['ua', 'ukr', 'україна'],
        'United Arab Emirates': ['ae', 'are', 'uae'],
        'United Kingdom': ['gb', 'gbr', 'uk', 'u.k.', 'great britain', 'england'],
        'United States': ['us', 'usa', 'u.s.', 'u.s.a.', 'united states of america'],
        'Vietnam': ['vn', 'vnm', 'việt nam'],
    } -%}
    case lower({{ clean_text(column) }})
        {%- for name, others in spellings.items() %}
        {%- for spelling in [name | lower] + others %}
        when '{{ spelling }}' then '{{ name }}'
        {%- endfor %}
        {%- endfor %}
        else {{ clean_text(column) }}
    end
{%- endmacro %}
