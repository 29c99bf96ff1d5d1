{# Which agent may read which agent view, as the exposures declare it: `agent_name`, `view_name`. #}
{% macro declared_reads() -%}
    {%- set pairs = [] -%}
    {%- if execute -%}
        {%- for exposure in graph.exposures.values() | sort(attribute='name') -%}
            {%- if exposure.config.meta.agent -%}
                {%- for node in exposure.depends_on.nodes | sort -%}
                    {%- do pairs.append((exposure.name, node.split('.')[-1])) -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for agent, view in pairs %}
    select
        '{{ agent }}' as agent_name,
        '{{ view }}' as view_name
    {% if not loop.last %}union all{% endif %}
    {%- else %}
    select
        cast(null as varchar) as agent_name,
        cast(null as varchar) as view_name
    where 1 = 0
    {%- endfor %}
{%- endmacro %}
