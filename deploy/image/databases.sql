-- A database for each service. Names and bytes sort alike on every machine (docs/operations.md).
CREATE DATABASE intake TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
CREATE DATABASE routing TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
CREATE DATABASE escalation TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
CREATE DATABASE assessment TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
CREATE DATABASE screen TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
