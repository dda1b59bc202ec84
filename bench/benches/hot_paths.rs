//! Times the hot paths: `cargo bench -p bench`.

#[path = "../src/hot_paths.rs"]
mod hot_paths;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for path in hot_paths::HOT_PATHS {
        criterion.bench_function(path.name, |bencher| {
            bencher.iter_custom(|times| {
                let begun = std::time::Instant::now();
                (path.run)(times);
                begun.elapsed()
            });
        });
    }
    criterion.final_summary();
}
