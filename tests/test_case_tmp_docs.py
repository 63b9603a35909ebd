import psycopg, sqlite3, math
from contextlib import closing
from tests.running import protect
def test_case(edms_factory, tmp_path):
    edms = edms_factory("postgresql", documents=3)
    with psycopg.connect(edms.database_url, autocommit=True) as c:
        c.execute('create table odd (id int primary key, name text, "Name" text, "@key" text, "a\'b""c" text)')
        c.execute("insert into odd values (1,'lower','UPPER','x','y')")
    p = protect(edms, tmp_path)
    try:
        print(p.backup().problems)
        r = p.restore("latest"); print(r.success, r.failures[:5])
    except Exception as e: print('EXC', type(e), str(e)[:800])
    with psycopg.connect(edms.database_url, autocommit=True) as c:
        print(c.execute("select * from odd").fetchall())
def test_inf(edms_factory, tmp_path):
    edms = edms_factory("sqlite", documents=3)
    with closing(sqlite3.connect(edms.database_path)) as c:
        c.execute('create table odd (id integer primary key, v)')
        c.executemany("insert into odd(v) values (?)", [(1e999,),("text",),(-1e999,)])
        c.commit()
    p = protect(edms, tmp_path)
    try:
        print(p.backup().problems)
        r = p.restore("latest"); print(r.success, r.failures[:5])
    except Exception as e: print('EXC', type(e), str(e)[:800])
    # disaster: the parent folder of the live db not there, --into elsewhere
