mod shop {
    pub struct Cart {
        pub items: Vec<u32>,
    }

    impl Cart {
        pub fn pick(&self, index: usize) -> u32 {
            *self.items.get(index).unwrap()
        }
    }
}

fn main() {
    let cart = shop::Cart { items: vec![1] };
    let picked: Vec<u32> = (0..3).map(|n| cart.pick(n)).collect();
    println!("{picked:?}");
}
