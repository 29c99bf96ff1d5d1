{{ config(
    materialized='keyed',
    unique_key='ticket_id',
    meta={'changes': {
        'inputs': {
            'stg_helpdesk__tickets': 'ticket_id',
            'stg_helpdesk__comments': 'ticket_id',
            'stg_shop__customers': 'stg_helpdesk__tickets.customer_id',
        },
    }},
) }}

with tickets as (

    select
        ticket_id,
        customer_id,
        requester_name,
        requester_email,
        subject,
        body,
        status,
        priority,
        created_at,
        updated_at
    from {{ ref('stg_helpdesk__tickets') }}

),

customers as (

    select
        customer_id,
        full_name,
        email,
        phone,
        street,
        postcode
    from {{ ref('stg_shop__customers') }}

),

comments as (

    select
        comment_id,
        ticket_id,
        author_name,
        author_role,
        body,
        created_at,
        updated_at
    from {{ ref('stg_helpdesk__comments') }}

),

conversations as (

    select
        ticket_id,
        count(*) as comment_count,
        {{ dbt.listagg(
            measure="author_role || ': ' || coalesce(body, '')",
            delimiter_text="'\n\n'",
            order_by_clause='order by created_at, comment_id'
        ) }} as conversation,
        {{ dbt.listagg(
            measure='author_name',
            delimiter_text="'\n'",
            order_by_clause='order by created_at, comment_id'
        ) }} as author_names,
        max(updated_at) as updated_at
    from comments
    group by ticket_id

),

people as (

    select name, email, phone, address
    from {{ ref('dim_people') }}

),

texts as (

    select
        tickets.ticket_id,
        tickets.subject,
        tickets.body,
        conversations.conversation
    from tickets
    left join conversations
        on tickets.ticket_id = conversations.ticket_id

),

mentions as (

    {{ mentioned_people('texts', 'ticket_id', ['subject', 'body', 'conversation'], 'people') }}

)

select
    tickets.ticket_id,
    tickets.customer_id,
    tickets.requester_name,
    tickets.requester_email,
    customers.full_name as customer_name,
    customers.email as customer_email,
    customers.phone as customer_phone,
    customers.street as customer_street,
    customers.postcode as customer_postcode,
    conversations.author_names,
    mentions.mentioned_name,
    mentions.mentioned_email,
    mentions.mentioned_phone,
    mentions.mentioned_address,
    tickets.subject,
    tickets.body,
    conversations.conversation,
    tickets.status,
    tickets.priority,
    coalesce(conversations.comment_count, 0) as comment_count,
    tickets.created_at,
    case
        when conversations.updated_at > tickets.updated_at then conversations.updated_at
        else tickets.updated_at
    end as updated_at
from tickets
left join customers
    on tickets.customer_id = customers.customer_id
left join conversations
    on tickets.ticket_id = conversations.ticket_id
left join mentions
    on tickets.ticket_id = mentions.ticket_id
