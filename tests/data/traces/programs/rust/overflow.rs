#[inline(never)]
fn down(n: u64) -> u64 {
    let block = [n; 100];
    std::hint::black_box(&block);
    down(n + 1) + block[3]
}

fn main() {
    println!("{}", down(0));
}
