use std::thread;

fn main() {
    let worker = thread::Builder::new()
        .name("indexer".into())
        .spawn(|| -> () { panic!("index is gone") })
        .unwrap();
    worker.join().expect("the indexer");
}
