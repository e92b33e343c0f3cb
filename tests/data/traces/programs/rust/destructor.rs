struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        panic!("cannot unlock");
    }
}

fn price(prices: &[u32], number: usize) -> u32 {
    prices[number]
}

fn main() {
    let _guard = Guard;
    println!("{}", price(&[1, 2], std::env::args().count() + 6));
}
