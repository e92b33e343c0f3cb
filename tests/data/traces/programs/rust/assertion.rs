trait Check {
    fn check(&self, n: i32);
}

impl Check for String {
    fn check(&self, n: i32) {
        assert_eq!(n, 4, "sum of {}\nis wrong", self);
    }
}

fn main() {
    "cart".to_string().check(3);
}
