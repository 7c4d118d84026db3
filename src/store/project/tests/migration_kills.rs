//! A program that is killed while it brings a project up to date.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::store::project::schema::{self, SCHEMA, Schema};

const PROJECT_VARIABLE: &str = "LABEL_HUB_MIGRATION_KILLED";
const KILLS: u32 = 16;

/// Two steps that take a while, so that kills fall before them, into them and between them.
fn newer() -> Surroundings {
    const MIGRATIONS: &[&str] = &[
        SCHEMA.migrations[0],
        "CREATE TABLE second(i INTEGER, t TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
         INSERT INTO second SELECT i, hex(i) FROM n;
         ALTER TABLE object ADD COLUMN note TEXT",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
         INSERT INTO second SELECT -i, hex(i) FROM n;
         UPDATE object SET note = 'seen'",
    ];
    Surroundings { schema: Schema { first: SCHEMA.first, migrations: MIGRATIONS }, ..Surroundings::default() }
}

fn version_of(project: &Path) -> i64 {
    let connection = schema::open_writer(project).expect("a project");
    assert_eq!(schema::damage(&connection).expect("it can be checked"), None);
    schema::version(&connection).expect("a version")
}

/// The life of the program that is killed.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn the_program_that_migrates() {
    let Some(project) = std::env::var_os(PROJECT_VARIABLE) else { return };
    drop(open(Path::new(&project), &clip(), &options(|| {}), &newer()).expect("an older project"));
}

#[test]
fn a_program_killed_during_a_migration_leaves_one_version_or_the_next() {
    let folder = folder();
    let old = folder.path().join("old.labelhub");
    let (mut store, ..) = open_plainly(&old);
    for frame in 0..5 {
        click(&mut store, frame);
    }
    drop(store);

    let migrating = |project: &Path| {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args(["--ignored", "--exact", "store::project::tests::migration_kills::the_program_that_migrates"]);
        command.env(PROJECT_VARIABLE, project).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("this test runs once more")
    };
    let fresh = |name: &str| {
        let project = folder.path().join(name);
        std::fs::copy(&old, &project).expect("a writable folder");
        project
    };
    let began = Instant::now();
    let whole = fresh("whole.labelhub");
    assert!(migrating(&whole).wait().expect("it ends").success());
    let life = began.elapsed();
    assert_eq!(version_of(&whole), 4);

    let mut found = [0; 5];
    for kill in 0..KILLS {
        let project = fresh(&format!("{kill}.labelhub"));
        let mut program = migrating(&project);
        std::thread::sleep(Duration::from_nanos(life.as_nanos() as u64 / u64::from(KILLS) * u64::from(kill)));
        program.kill().expect("it runs, or has ended");
        program.wait().expect("it ends");
        let version = version_of(&project);
        found[usize::try_from(version).expect("small")] += 1;
        let backup = folder.path().join(format!("{kill}.version-2-1.labelhub"));
        if version > 2 {
            let (store, snapshot, _) = open_plainly(&backup);
            assert_eq!(frames(&store, &snapshot), [0, 1, 2, 3, 4], "the copy from before, kill {kill}");
        }
        let (store, snapshot, _) = open(&project, &clip(), &options(|| {}), &newer()).expect("it goes on");
        assert_eq!(frames(&store, &snapshot), [0, 1, 2, 3, 4], "kill {kill}");
        drop(store);
        assert_eq!(version_of(&project), 4, "kill {kill}");
    }
    println!("killed {KILLS} times in {life:?}: version 2, 3, 4 were left {:?} times", &found[2..]);
    assert!(found[2] > 0, "no kill came early enough: {found:?}");
}
