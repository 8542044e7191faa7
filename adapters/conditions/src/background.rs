//! `Background`: a question that may block, asked on another thread.

use std::{fmt, sync::Arc};

use blocking::Task;
use health_core::{Reason, condition::Condition};

/// A question to the operating system that may block, such as one about a file on a share that is gone.
///
/// It is asked on a thread of its own, one at a time: an answer that nobody waited for to the end, as the
/// evaluation was timed out, is what the next one waits for. So a question that hangs costs one thread,
/// not one in every period.
pub(crate) struct Background<T> {
    ask: Arc<dyn Fn() -> T + Send + Sync>,
    running: Option<Task<T>>,
}

impl<T: Send + 'static> Background<T> {
    pub(crate) fn new(ask: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), running: None }
    }

    pub(crate) async fn answer(&mut self) -> T {
        let running = self.running.get_or_insert_with(|| {
            let ask = Arc::clone(&self.ask);
            blocking::unblock(move || ask())
        });
        let answer = running.await;
        self.running = None;
        answer
    }
}

impl Condition for Background<Result<(), Reason>> {
    async fn evaluate(&mut self) -> Result<(), Reason> {
        self.answer().await
    }
}

impl<T> fmt::Debug for Background<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("running", &self.running.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    };

    use futures_lite::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn a_question_that_hangs_is_not_asked_again_until_it_is_answered() {
        let asked = Arc::new(AtomicU32::new(0));
        let (go_on, wait) = mpsc::channel();
        let (count, wait) = (Arc::clone(&asked), Mutex::new(wait));
        let mut question = Background::new(move || {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            wait.lock().unwrap().recv().unwrap();
            number
        });

        for _ in 0..3 {
            // A timeout drops the evaluation.
            assert_eq!(block_on(poll_once(question.answer())), None);
        }
        go_on.send(()).unwrap();
        assert_eq!(block_on(question.answer()), 1);
        assert_eq!(asked.load(Ordering::Relaxed), 1);

        go_on.send(()).unwrap();
        assert_eq!(block_on(question.answer()), 2);
    }
}
