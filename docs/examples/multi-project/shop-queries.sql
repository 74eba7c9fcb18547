-- One tenant: one worker answers, however many there are. This is what applications should ask.
SELECT o.id, sum(l.cents) AS cents
FROM orders o
JOIN order_lines l ON l.tenant_id = o.tenant_id AND l.order_id = o.id
WHERE o.tenant_id = 7
GROUP BY o.id
ORDER BY o.id;

-- All tenants: every worker joins what it has, because the tables are joined by the tenant.
SELECT c.name, count(DISTINCT t.id) AS tenants, sum(l.cents) AS cents
FROM tenants t
JOIN countries c ON c.code = t.country
JOIN order_lines l ON l.tenant_id = t.id
GROUP BY c.name
ORDER BY c.name;
