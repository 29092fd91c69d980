// Products in a SQLite database: what a cache of records reads from and writes to first.
import Database from "better-sqlite3";

export const db = new Database(process.env.DATABASE ?? ":memory:");
db.exec(`
  CREATE TABLE IF NOT EXISTS products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL CHECK (price > 0));
  INSERT OR REPLACE INTO products VALUES (1, 'Desk lamp', 39), (2, 'Bookshelf', 120), (3, 'Chair', 75);
`);

const sql = {
  get: db.prepare("SELECT id, name, price FROM products WHERE id = ?"),
  some: db.prepare("SELECT id, name, price FROM products WHERE id IN (SELECT value FROM json_each(?))"),
  create: db.prepare("INSERT INTO products (name, price) VALUES (@name, @price) RETURNING id, name, price"),
  update: db.prepare("UPDATE products SET name = @name, price = @price WHERE id = @id"),
  delete: db.prepare("DELETE FROM products WHERE id = ?"),
  below: db.prepare("SELECT id, name, price FROM products WHERE price < ? ORDER BY price"),
};

/** How often the database was read. */
export const reads = { count: 0 };

/** Only what is called has to be there; each function may be async. */
export const products = {
  get(id) {
    reads.count += 1;
    return sql.get.get(id);
  },
  getMany(ids) {
    reads.count += 1;
    const found = new Map(sql.some.all(JSON.stringify(ids)).map((product) => [product.id, product]));
    return ids.map((id) => found.get(id));
  },
  create: (product) => sql.create.get(product),
  update(id, changes) {
    const product = sql.get.get(id);
    if (product === undefined) return undefined;
    const changed = { ...product, ...changes };
    sql.update.run(changed);
    return changed;
  },
  delete: (id) => sql.delete.run(id).changes === 1,
  query({ below }) {
    reads.count += 1;
    return sql.below.all(below);
  },
};
