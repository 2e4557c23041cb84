//! What destroys data, files or history: SQL and what writes it, files and devices, git, clusters.

use super::lang::{ANY, C, CODE, EX, GO, JS, JVM, NET, PHP, PY, RB, RS, SH};
use super::{Idiom, Reach, idiom};
use crate::policy::Rule;

const TABLES: &str = "destroys data";
const ROWS: &str = "changes or deletes every row";
const FOLDERS: &str = "deletes a folder with everything in it";
const DEVICES: &str = "overwrites a device or stops the machine";
const HISTORY: &str = "rewrites or discards what git keeps";
const DOWNLOADS: &str = "runs what a server sends";
const COMPUTED: &str = "calls what a computed name says";
const CLUSTERS: &str = "deletes what runs or is kept elsewhere";

const fn of(
    languages: u16,
    what: &'static str,
    literals: &'static [&'static str],
    pattern: &'static str,
) -> Idiom {
    let place = (languages, Reach::Production);
    idiom(Rule::DestructiveOperation, place, what, literals, pattern)
}

/// Also in tests, which may well clean up behind themselves, but not so.
const fn anywhere(
    reach: Reach,
    what: &'static str,
    literals: &'static [&'static str],
    pattern: &'static str,
) -> Idiom {
    idiom(
        Rule::DestructiveOperation,
        (ANY, reach),
        what,
        literals,
        pattern,
    )
}

#[rustfmt::skip]
pub(super) const IDIOMS: &[Idiom] = &[
    // SQL, in whatever it stands.
    of(ANY, TABLES, &["drop"],
        r"(?i)\bdrop~(?:(?:temporary|foreign|external|materialized)~)?(?:table|database|schema|tablespace|keyspace|view|collection)~[\w.`\x22'\[{$%<:#@*]"),
    of(ANY, TABLES, &["truncate"], r"(?i:\btruncate~table\b)|[\x22'`]TRUNCATE~[\w.{}$%]+\s*[\x22'`;]|;\s*TRUNCATE~[\w.]+\s*;"),
    of(ANY, TABLES, &["alter"], r"(?i)\balter~table~[\w.`\x22\[\]{}$%]+~drop\b"),
    of(ANY, ROWS, &["delete"],
        r#"(?i)\bdelete~from~(?:only~)?[\w.`\[\]{}$%:#]+\s*(?:;|["'`]{1,3}\s*(?:[,;)\]}%]|\.format\b|\n\s*[\w@#}]))"#),
    // Where nothing more is known of the statement, capital letters tell it from a label.
    of(ANY, ROWS, &["delete"], r#"\bDELETE~FROM~[\w.`\[\]{}$%:#]+\s*["'`]{1,3}\s*\z"#),
    of(ANY, ROWS, &["update"],
        r#"(?i)\bupdate~[\w.`\[\]{}$%:#]+~set~[\w.`\[\]{}$%]+\s*=[^;"]{1,200}(?:;|["`]{1,3}\s*(?:[,;)\]}]|\n\s*[\w@#}]))"#).unless("where"),

    // What writes SQL, or speaks to another store.
    of(CODE, TABLES, &["drop_table", "droptable", "drop_database", "dropdatabase", "drop_schema", "dropschema", "dropcollection", "drop_collection", "dropifexists", "drop_all", "dropallt", "drop_if_exists"],
        r"(?:\.|\b)(?:drop_?(?:[tT]ables?|[dD]atabase|[sS]chema|[cC]ollection)|Drop(?:Table|Database|Schema)|dropIfExists|drop_all|dropAllTables|drop_if_exists)(?:IfExists)?\s*[\s(!?]"),
    of(PY, ROWS, &[".delete("], r"\.objects\s*(?:\.\s*all\s*\(\s*\)\s*)?\.\s*delete\s*\(\s*\)|\.query\s*\(\s*[\w.]*\s*\)\s*\.\s*delete\s*\(|\.query\s*\.\s*delete\s*\(|\b[A-Z]\w*\s*\.\s*delete\s*\(\s*\)\s*\.\s*execute\s*\("),
    of(PY, ROWS, &["delete_many", "remove({})"], r"\.(?:delete_many|remove)\s*\(\s*\{\s*\}"),
    of(RB, ROWS, &["delete_all", "destroy_all"], r"\b[A-Z]\w*(?:::\w+)*\s*(?:\.\s*(?:all|unscoped)\s*)?\.\s*(?:delete_all|destroy_all)\b"),
    of(JS, ROWS, &["deletemany", "remove("], r"\.\s*deleteMany\s*\(\s*(?:\{\s*\}\s*)?\)|\.\s*deleteMany\s*\(\s*\{\s*\}\s*,|\.\s*remove\s*\(\s*\{\s*\}\s*[,)]"),
    of(JS, ROWS, &["destroy", "truncate"], r"\.\s*destroy\s*\(\s*\{\s*(?:where\s*:\s*\{\s*\}|truncate\s*:\s*true)|\.\s*truncate\s*\(\s*\{"),
    of(PHP, ROWS, &["truncate", "delete"], r"(?:->|::)\s*truncate\s*\(\s*\)|\bDB\s*::\s*table\s*\([^()]*\)\s*->\s*delete\s*\(\s*\)|\b[A-Z]\w*::query\s*\(\s*\)\s*->\s*delete\s*\("),
    of(JVM, ROWS, &["deleteall"], r"\bdeleteAll(?:InBatch)?\s*\(\s*\)"),
    of(EX, ROWS, &["delete_all"], r"\bRepo\s*\.\s*delete_all\s*\(?\s*[A-Z][\w.]*\s*\)?\s*(?:$|[\n,)])"),
    of(EX | RB, TABLES, &["drop table", "drop("], r"\bdrop\s*\(?\s*table\s*\("),
    of(NET, TABLES, &["ensuredeleted"], r"\bEnsureDeleted(?:Async)?\s*\("),
    of(GO, ROWS, &["allowglobalupdate"], r"\bAllowGlobalUpdate\s*:\s*true"),
    of(ANY, ROWS, &["flushall", "flushdb"], r"(?i)\bflush(?:all|db)\b"),

    // Files and folders.
    of(ANY, FOLDERS, &["rm -", "rm\t-", "\"rm\"", "'rm'", "rm$", "rm  ", "rm\\", "rm/*"], r"(?:^|[^\w.-])rm~(?:-{1,2}[\w-]+~)*-(?:[a-zA-Z]*[rR][a-zA-Z]*|-recursive)\b"),
    anywhere(Reach::Code, FOLDERS, &["rm -", "rm\t-", "\"rm\"", "'rm'", "rm$", "rm  ", "rm\\"],
        r"(?:^|[^\w.-])rm~(?:-{1,2}[\w-]+~)+[\x22'`]?(?:/(?:\*|[\x22'`\s;]|$|(?:bin|boot|dev|etc|home|lib|opt|root|sbin|srv|usr|var)\b/?(?:\*|[\x22'`\s;]|$))|\x7e/?(?:[\s;*]|$)|\$\{?HOME\}?/?[\x22'`]?(?:[\s;*]|$)|\*(?:\s|$)|\.\.?/?(?:[\s;]|$)|\.git\b)"),
    of(SH, FOLDERS, &["find"], r"\bfind~[^\n;|]*(?:-delete\b|-exec(?:dir)?~(?:sudo~)?rm\b)|\bfind~[^\n;]*\|\s*xargs~(?:-\S+~)*rm\b"),
    of(SH, FOLDERS, &["remove-item", "rd /s", "rmdir /s", "del /"], r"(?i)\bremove-item\b[^\n|;]*-r(?:ecurse)?\b|\b(?:rd|rmdir)~/s\b|\bdel~/[sfq]\b"),
    of(PY, FOLDERS, &["rmtree", "removedirs", "remove_tree"], r"\b(?:rmtree|removedirs|remove_tree)\s*\(|\bimport\b[^\n]*\brmtree\b"),
    of(PY, COMPUTED, &["getattr", "__dict__"],
        r#"\bgetattr\s*\(\s*(?:os|shutil|pathlib|subprocess|builtins|__builtins__)\s*,\s*(?:["'](?:remove|unlink|rmdir|removedirs|rmtree|system|popen|exec\w*|eval|spawn\w*|run|call|Popen|check_\w+)["']|[^"'\s)])|\b(?:os|shutil|subprocess)\.__dict__\s*\["#),
    of(PY, COMPUTED, &["__import__", "import_module"],
        r#"\b(?:__import__|import_module)\s*\(\s*["'](?:os|shutil|subprocess|pty|ctypes|builtins)["']|\b__import__\s*\(\s*(?:[^"'\s)\w]|\w+\s*[+\[%.(]|["'][^"']*["']\s*[+%.])"#),
    of(JS, FOLDERS, &["rimraf", "recursive"], r"\brimraf(?:\s*\.\s*sync)?\s*\(|\b(?:rm|rmdir|remove)(?:Sync)?\s*\([^;]{0,200}?\brecursive\s*:\s*true"),
    of(JS, FOLDERS, &["removesync", "emptydir", "fse.remove", "fs-extra"], r"\b(?:fs|fse|fsExtra|fsx)\s*\.\s*(?:removeSync|emptyDir(?:Sync)?)\s*\(|\bfse\s*\.\s*remove\s*\("),
    of(JS, COMPUTED, &["rmsync", "rmdir", "unlinksync", "execsync", "\"exec\"", "'exec'", "\"rm\"", "'rm'"], r#"\[\s*["'`](?:rm|rmdir|unlink|exec)(?:Sync)?["'`]\s*\]\s*\("#),
    of(GO, FOLDERS, &["removeall"], r"\bRemoveAll\s*\("),
    of(RS, FOLDERS, &["remove_dir_all"], r"\bremove_dir_all\b"),
    of(RB, FOLDERS, &["rm_r", "rmtree", "remove_dir", "remove_entry"], r"\b(?:rm_rf|rm_r|rmtree|remove_dir|remove_entry(?:_secure)?)\b"),
    of(PHP, FOLDERS, &["deletedirectory", "deletedir", "unlink"], r#"(?:->|::)\s*delete(?:Directory|Dir)\s*\(|\barray_(?:map|walk)\s*\(\s*["']unlink["']"#),
    of(JVM, FOLDERS, &["deletedirectory", "cleandirectory", "forcedelete", "deleterecursively"], r"\b(?:deleteDirectory|cleanDirectory|forceDelete|deleteRecursively)\s*\("),
    of(NET, FOLDERS, &["directory.delete"], r"\bDirectory\s*\.\s*Delete\s*\([^;\n]*,\s*(?:recursive\s*:\s*)?true"),
    of(EX, FOLDERS, &["rm_rf"], r"\brm_rf!?"),
    of(C, FOLDERS, &["remove_all"], r"\b(?:filesystem|fs)\s*::\s*remove_all\s*\("),

    // Devices, and the machine itself.
    anywhere(Reach::Code, DEVICES, &["mkfs", "wipefs"], r"\bmkfs(?:\.\w+)?~[-/$]|\bwipefs~-"),
    anywhere(Reach::Code, DEVICES, &["/dev/"], r"\bof=/dev/(?:sd|hd|nvme|vd|xvd|mmcblk|disk|rdisk|mapper|md\d|mem|\$|\{)|>\s*/dev/(?:sd[a-z]|hd[a-z]|nvme\d|vd[a-z]|mem\b)"),
    anywhere(Reach::Code, DEVICES, &[":|:", ": | :", ":| :", "|$0", "%0|%0"], r":\s*\(\s*\)\s*\{\s*:\s*\|\s*:\s*&\s*\}\s*;|\$0\s*\|\s*\$0\s*&|%0\s*\|\s*%0"),
    of(ANY, DEVICES, &["chmod", "chown"], r"\bch(?:mod|own)~-{1,2}(?:R|recursive)~[\w:.+=-]+~[\x22']?/(?:[\s\x22'*;]|$)|\bchmod~(?:-R~)?0?777~[\x22']?/(?:[\s\x22'*;]|$)"),

    // git.
    anywhere(Reach::Code, HISTORY, &["push"], r"\bgit~(?:[\w=./-]+~){0,4}?push\b(?:[^\n;&|]|\\\n){0,120}?(?:--force\b|--mirror\b|--delete\b|[\s,\x22'`]-[a-z]*f\b|[\s\x22'`]\+[\w/]|[\s\x22'`]:[\w/])"),
    of(ANY, HISTORY, &["reset"], r"\bgit~(?:[\w=./-]+~){0,4}?reset\b(?:[^\n;&|]|\\\n){0,60}?--hard\b"),
    of(ANY, HISTORY, &["clean"], r"\bgit~(?:[\w=./-]+~){0,4}?clean~-[a-z]*f"),
    of(ANY, HISTORY, &["update-ref", "filter-branch", "filter-repo", "reflog", "stash", "branch", "prune"],
        r"\bgit~(?:[\w=./-]+~){0,4}?(?:update-ref\b|filter-branch\b|filter-repo\b|reflog~(?:expire|delete)\b|stash~(?:drop|clear)\b|branch~(?:-D\b|--delete~--force)|prune\b)"),

    // What a server sends, run unread.
    anywhere(Reach::Everywhere, DOWNLOADS, &["curl", "wget"],
        r"\b(?:curl|wget)\b[^|\n]{0,300}\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:env\s+)?(?:/\S*/)?(?:(?:ba|z|da|k|fi)?sh|python[23]?|perl|ruby|node|php)\b|\b(?:(?:ba|z|da)?sh|eval|source|\.)\s+(?:-\w+\s+)?[\x22']?(?:\$\(|<\(|`)\s*(?:curl|wget)\b"),
    anywhere(Reach::Everywhere, DOWNLOADS, &["iex", "invoke-expression"], r"(?i)(?:\biex\b|\binvoke-expression\b)[^\n]{0,120}(?:downloadstring|\biwr\b|\birm\b|invoke-webrequest|invoke-restmethod)|(?:\biwr\b|\birm\b|downloadstring|invoke-webrequest|invoke-restmethod)[^\n]{0,200}\|\s*(?:iex\b|invoke-expression)"),

    // Clusters and clouds.
    of(ANY, CLUSTERS, &["kubectl", "terraform", "helm"], r"\bkubectl~(?:-{1,2}\S+~)*delete\b|\bterraform~(?:-\S+~)*destroy\b|\bhelm~(?:uninstall|delete)\b"),
    of(ANY, CLUSTERS, &["s3", "gsutil", "docker"], r"\baws~s3~(?:rb\b|rm~[^\n]*--recursive)|\bgsutil~(?:-\S+~)*rm~-[rR]|\bdocker~(?:system|volume|image|container)~prune\b|\bdocker~volume~rm\b"),
];

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use crate::policy::Rule;

    #[track_caller]
    fn found(path: &str, lines: &str) {
        check(Rule::DestructiveOperation, path, lines, true);
    }

    #[track_caller]
    fn let_through(path: &str, lines: &str) {
        check(Rule::DestructiveOperation, path, lines, false);
    }

    #[test]
    fn sql() {
        found(
            "a.py",
            r#"
db.run("DROP TABLE users")
db.run("drop database if exists shop")
db.run("DROP	SCHEMA public CASCADE")
db.run("drop materialized view totals")
db.run('TRUNCATE TABLE users')
db.run("TRUNCATE users")
db.run("ALTER TABLE users DROP COLUMN name")
db.run("DELETE FROM users")
db.run(f"DELETE FROM {table}")
db.run("DELETE FROM %s" % table)
db.run("delete from users;")
db.run("UPDATE users SET admin = 1")
db.run("""UPDATE users SET admin = 1""")
"#,
        );
        found(
            "a.sql",
            "DROP TABLE users;\nDELETE FROM users;\nUPDATE users SET a = 1, b = 'x';\n",
        );
        let_through(
            "a.py",
            r#"
db.run("DELETE FROM users WHERE id = ?", [id])
db.run("DELETE FROM users " + where)
db.run("DELETE FROM users " "WHERE id = 1")
db.run("UPDATE users SET admin = 1 WHERE id = 2")
db.run("UPDATE users SET a = ? " + where)
raise ValueError("cannot drop the table of contents")
help = "Truncate output"
backdrop_table = 3
frame.drop(columns=["a"])
text = "update the set of x;"
if kind == "drop" and table:
label = "delete from cart"
if line.startswith("delete from"):
log.info("drop %s", table)
"#,
        );
        let_through(
            "a.sql",
            "SELECT * FROM users;\nCREATE TABLE a (b int);\nDELETE FROM a WHERE b = 1;\n",
        );
    }

    #[test]
    fn stores() {
        found(
            "a.py",
            "
User.objects.all().delete()
User.objects.delete()
session.query(User).delete()
User.delete().execute()
db.users.delete_many({})
op.drop_table('users')
metadata.drop_all(engine)
redis.flushall()
",
        );
        found(
            "a.rb",
            "User.delete_all\nShop::User.all.destroy_all\ndrop_table :users\n",
        );
        found(
            "a.ts",
            "
await User.deleteMany({})
await prisma.user.deleteMany()
await db.dropDatabase()
await User.destroy({ where: {} })
await User.destroy({truncate: true})
await knex.schema.dropTable('users')
",
        );
        found(
            "a.php",
            "
DB::table('users')->truncate();
User::truncate();
Schema::dropIfExists('users');
DB::table('users')->delete();
",
        );
        found("a.java", "users.deleteAll();\n");
        found("a.ex", "Repo.delete_all(User)\n    drop table(:users)\n");
        found("a.cs", "db.Database.EnsureDeleted();\n");
        found("a.go", "db.Migrator().DropTable(&User{})\n");
        let_through(
            "a.py",
            "
User.objects.filter(id=1).delete()
session.query(User).filter(User.id == 1).delete()
db.users.delete_many({'id': 1})
file.truncate()
text = truncate(text, 3)
self.drop_tablet()
",
        );
        let_through(
            "a.rb",
            "user.items.delete_all\nUser.where(id: 1).delete_all\n",
        );
        let_through(
            "a.ts",
            "
await User.deleteMany({ id })
await User.destroy({ where: { id } })
list.remove(item)
_.truncate(text)
onDrop(table)
",
        );
        let_through(
            "a.php",
            "$user->delete();\nDB::table('users')->where('id', 1)->delete();\n$this->assertTrue(truncate($x));\n",
        );
        let_through("a.java", "users.deleteAll(gone);\nusers.deleteById(1);\n");
        let_through(
            "a.ex",
            "Repo.delete_all(from u in User, where: u.id == 1)\nEnum.drop(table, 1)\n",
        );
        let_through("a.cs", "db.Users.Remove(user);\n");
        let_through("a.go", "db.Delete(&user)\n");
    }

    #[test]
    fn files() {
        found(
            "run.sh",
            r#"
rm -rf "$dir"
sudo rm -r -f build
rm --force --recursive build
cd x && rm -fr .
find . -name '*.tmp' -delete
find . -type f | xargs rm
Remove-Item $dir -Recurse
"#,
        );
        found(
            "a.py",
            r#"
shutil.rmtree(path)
from shutil import rmtree
os.removedirs(path)
os.system("rm -rf /tmp/x")
getattr(os, name)(path)
getattr(os, "system")("x")
__import__("os").system("x")
__import__("o" + name)
"#,
        );
        found(
            "a.js",
            "
fs.rmSync(dir, { recursive: true, force: true })
await rm(dir, {recursive: true})
rimraf.sync(dir)
fse.removeSync(dir)
execSync('rm -rf ' + dir)
fs['rmSync'](dir)
",
        );
        found("a.go", "os.RemoveAll(dir)\n");
        found("a.rs", "std::fs::remove_dir_all(&dir)?;\n");
        found(
            "a.rb",
            "FileUtils.rm_rf(dir)\nFileUtils.remove_entry_secure dir\nFileUtils.send(:rm_r, dir)\n",
        );
        found(
            "a.php",
            "File::deleteDirectory($dir);\narray_map('unlink', glob('*'));\n",
        );
        found("A.java", "FileUtils.deleteDirectory(dir);\n");
        found("A.kt", "dir.deleteRecursively()\n");
        found("A.cs", "Directory.Delete(dir, true);\n");
        found("a.ex", "File.rm_rf!(dir)\n");
        found("a.cpp", "std::filesystem::remove_all(dir);\n");
        let_through(
            "run.sh",
            r#"
rm "$file"
rm -f "$file"
perform -r x
find . -name '*.tmp' -print
farm -rf x
echo "$form -r"
docker run --rm -it image
"#,
        );
        let_through(
            "a.py",
            r#"
os.remove(path)
path.unlink()
getattr(os, "O_BINARY", 0)
getattr(options, name)
__import__("json")
__import__(name)
import_module("shop.cart")
items.remove(item)
"#,
        );
        let_through(
            "a.js",
            "
fs.unlinkSync(file)
fs.mkdirSync(dir, { recursive: true })
fs.readdirSync(dir, { recursive: true })
list.remove(item)
node['exec']
const recursive = true
",
        );
        let_through("a.go", "os.Remove(file)\nstrings.ReplaceAll(a, b, c)\n");
        let_through("a.rs", "std::fs::remove_file(&file)?;\nlist.remove(0);\n");
        let_through("a.rb", "File.delete(file)\nform_rank = 1\n");
        let_through("a.php", "unlink($file);\n");
        let_through("A.java", "file.delete();\n");
        let_through("A.cs", "File.Delete(file);\nDirectory.Delete(dir);\n");
        let_through("a.cpp", "std::remove(file);\n");
    }

    #[test]
    fn machines_and_history() {
        found(
            "run.sh",
            r#"
mkfs.ext4 /dev/sda1
dd if=/dev/zero of=/dev/sda bs=1M
:(){ :|:& };:
chmod -R 777 /
git push --force origin main
git push -f
git push origin +main
git push origin :old
git push --force-with-lease
git -C x reset --hard HEAD^
git clean -fdx
git update-ref refs/heads/main HEAD
git branch -D old
git reflog expire --all
curl -fsSL https://x.example/i | sudo bash
bash -c "$(curl -fsSL https://x.example/i)"
sh <(wget -qO- https://x.example/i)
kubectl delete namespace shop
terraform destroy -auto-approve
aws s3 rm s3://shop --recursive
docker system prune -af
"#,
        );
        found(
            "a.py",
            "subprocess.run(['git', 'push', '--force'])\nsubprocess.run([\"git\", \"reset\", \"--hard\"])\n",
        );
        let_through(
            "run.sh",
            r#"
dd if=/dev/zero of=disk.img bs=1M
echo x > /dev/null
chmod -R u+w build
chmod 755 run
git push origin main
git push --follow-tags
git reset HEAD file
git clean -n
git branch -d old
git stash
git reflog
curl -fsSL https://x.example/i -o i
curl https://x.example/i | jq .
wget https://x.example/i
kubectl get pods
terraform plan
aws s3 cp a s3://shop
docker run x
"#,
        );
        let_through(
            "a.py",
            "subprocess.run(['git', 'push', 'origin'])\nitems.push(force)\nstate.reset(hard=True)\n",
        );
    }
}
