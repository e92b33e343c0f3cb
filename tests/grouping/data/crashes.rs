// Crashes of a small shop in Rust: `./crashes BUG VALUE`; each bug is one defect.
use std::collections::HashMap;

trait Store { fn load(&self, key: &str) -> i32; }
struct Memory { items: HashMap<String, i32> }
impl Store for Memory {
    #[inline(never)]
    fn load(&self, key: &str) -> i32 { *self.items.get(key).unwrap() }
}
struct Shelf<T> { items: Vec<T> }
impl<T: Copy> Shelf<T> {
    #[inline(never)]
    fn at(&self, i: usize) -> T { self.items[i] }
}

#[inline(never)] fn quantity(v: &str) -> i32 { format!("x{v}").parse().unwrap() }
#[inline(never)] fn missing_file(v: &str) -> String { std::fs::read_to_string(format!("/nope/{v}")).expect("settings") }
#[inline(never)] fn load(v: &str) -> i32 { Memory { items: HashMap::new() }.load(v) }
#[inline(never)] fn shelf_int(v: usize) -> i32 { Shelf { items: vec![1, 2] }.at(v + 2) }
#[inline(never)] fn divide(v: i32) -> i32 { v / std::hint::black_box(0) }
#[inline(never)] fn closure(v: i32) -> i32 { (0..v).map(|i| if i == v - 1 { panic!("item {i} of {v} is bad") } else { i }).sum() }
#[inline(never)] fn asserts(v: i32) { assert_eq!(v, 0, "order {v} is not empty"); }
#[inline(never)] fn asserts_other(v: i32) { assert_eq!(v, 0, "order {v} is not empty"); }
#[inline(never)] fn deep(v: i32) -> i32 { if v == 0 { panic!("at the bottom") } else { deep(v - 1) + 1 } }

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (text, number) = (&args[2], args[2].parse::<i32>().unwrap());
    match args[1].as_str() {
        "quantity" => { quantity(text); }
        "missing_file" => { missing_file(text); }
        "load" => { load(text); }
        "shelf_int" => { shelf_int(number as usize); }
        "divide" => { divide(number); }
        "closure" => { closure(number); }
        "asserts" => asserts(number),
        "asserts_other" => asserts_other(number),
        "deep" => { deep(number); }
        _ => {}
    }
}
