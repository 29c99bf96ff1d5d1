-- A recursion adds the value letter by letter.
-- caught_by: proof
-- says: shows shop.customers.full_name

with recursive spelled as (
    select customer_id, 1 as position, left(full_name, 1) as letters from {{ ref('dim_customers') }}
    union all
    select s.customer_id, s.position + 1, s.letters || substr(c.full_name, s.position + 1, 1)
    from spelled as s
    join {{ ref('dim_customers') }} as c on c.customer_id = s.customer_id
    where s.position < 40
)

select letters as k from spelled
