CREATE TABLE orders (id varchar(20), region char(2), amount numeric(10,2), quantity integer, note text, email varchar(50), paid boolean, day date, created timestamp, seen timestamptz(3), big bigint, ratio double precision, extra json);
INSERT INTO orders VALUES
 ('A1', 'eu', 10.50, 1, 'first', 'a@example.com', true, '2026-03-01', '2026-03-01 10:00:00', '2026-03-01 10:00:00+00', 1, 0.5, '{}'),
 ('A2', 'eu', 20.00, 2, NULL, 'b@example', false, '2026-03-02', '2026-03-02 10:00:00', '2026-03-02 10:00:00+00', 2, 1.5, NULL),
 ('A2', 'us', 0.00, 3, '', 'c@example.com', true, '2026-03-02', '2026-03-02 11:30:00', '2026-03-02 11:30:00+00', 3, NULL, NULL),
 (NULL, 'us', -5.25, NULL, 'n/a', NULL, NULL, '2026-03-03', '2026-03-03 12:00:30.5', NULL, 4, 2.5, NULL),
 ('-', NULL, NULL, -999, 'it''s \d', 'd@example.com', true, NULL, NULL, NULL, NULL, -1, NULL),
 ('b7', 'xx', 1000.00, 7, 'long enough a text', 'N/A', false, '2026-01-01', '2026-01-01 00:00:00', '2026-01-01 00:00:00+00', 9007199254740993, 100, NULL);
CREATE TABLE regions (code char(2), name text);
INSERT INTO regions VALUES ('eu', 'Europe'), ('us', 'United States'), ('us', 'States'), (NULL, 'nowhere');
CREATE TABLE nothing (id varchar(20), amount numeric(10,2), created timestamp);
CREATE TABLE "Odd Name" ("Column One" integer, "select" text);
INSERT INTO "Odd Name" VALUES (1, 'x'), (2, NULL);
