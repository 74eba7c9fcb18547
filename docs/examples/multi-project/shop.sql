-- Project shop: one set of tables for all tenants. What belongs to a tenant lies on one worker.

-- Small, and joined by every tenant: a reference table has a copy on every node.
CREATE TABLE countries (
    code char(2) PRIMARY KEY,
    name text NOT NULL
);
SELECT create_reference_table('countries');

CREATE TABLE tenants (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    country char(2) NOT NULL REFERENCES countries (code)
);
SELECT create_distributed_table('tenants', 'id');

-- Every key begins with the tenant: Citus can only check a key within a shard.
CREATE TABLE orders (
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    id bigint GENERATED ALWAYS AS IDENTITY,
    placed_on date NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT create_distributed_table('orders', 'tenant_id', colocate_with => 'tenants');

CREATE TABLE order_lines (
    tenant_id bigint NOT NULL,
    order_id bigint NOT NULL,
    line integer NOT NULL,
    product text NOT NULL,
    cents bigint NOT NULL,
    PRIMARY KEY (tenant_id, order_id, line),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id)
);
SELECT create_distributed_table('order_lines', 'tenant_id', colocate_with => 'orders');

INSERT INTO countries VALUES ('es', 'España'), ('fr', 'France'), ('pt', 'Portugal');
INSERT INTO tenants
SELECT n, 'Tenant ' || n, (ARRAY['es', 'fr', 'pt'])[1 + n % 3] FROM generate_series(1, 30) n;
INSERT INTO orders (tenant_id, placed_on)
SELECT 1 + n % 30, date '2026-01-01' + n % 365 FROM generate_series(0, 2999) n;
INSERT INTO order_lines
SELECT tenant_id, id, line, 'Product ' || line, 100 * line FROM orders, generate_series(1, 3) line;
